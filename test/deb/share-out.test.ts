import fc from 'fast-check';
import { expect, test } from 'vitest';
import { shareOut } from '../../src/deb/share-out.ts';

const megabyte = 1_000_000;
const sized = (...megabytes: number[]) =>
  megabytes.map((each, index) => ({ name: `p${index}`, bytes: each * megabyte }));

test('few or small packages take no runner, nor does one alone', () => {
  expect(shareOut([], 'auto')).toEqual([]);
  expect(shareOut(sized(1, 2, 3, 4, 5), 'auto')).toEqual([]);
  expect(shareOut(sized(5000), 'auto')).toEqual([]);
  expect(shareOut(sized(5000, 5000), 'together')).toEqual([]);
});

test('large ones are shared out, each leg with about as many bytes', () => {
  expect(shareOut(sized(900, 100, 1500, 400), 'auto')).toEqual([
    { leg: 'p2', packages: 'p2', bytes: 1500 * megabyte },
    { leg: 'p0', packages: 'p0', bytes: 900 * megabyte },
    { leg: 'p3+1', packages: 'p3 p1', bytes: 500 * megabyte },
  ]);
});

test('each package has a runner of its own where that is asked for, as far as GitHub has legs', () => {
  expect(shareOut(sized(1, 2), 'each').map(({ packages }) => packages)).toEqual(['p1', 'p0']);
  expect(shareOut(sized(0, 0, 0), 'each').map(({ packages }) => packages)).toEqual(['p0', 'p1', 'p2']);
  expect(shareOut(sized(...Array<number>(300).fill(7)), 'each')).toHaveLength(256);
});

test('no package is lost, none is packed twice, and the legs have names of their own', () => {
  const some = fc.record({ name: fc.stringMatching(/^[a-z]{1,6}$/), bytes: fc.nat(3 * 1000 * megabyte) });
  fc.assert(
    fc.property(
      fc.uniqueArray(some, { selector: ({ name }) => name, maxLength: 40 }),
      fc.constantFrom('auto' as const, 'each' as const),
      (packages, sharing) => {
        const legs = shareOut(packages, sharing);
        const shared = legs.flatMap((leg) => leg.packages.split(' '));
        if (legs.length > 0) expect(shared.toSorted()).toEqual(packages.map(({ name }) => name).toSorted());
        expect(new Set(legs.map(({ leg }) => leg)).size).toBe(legs.length);
        expect(legs.every((leg) => leg.packages !== '')).toBe(true);
      },
    ),
  );
});
