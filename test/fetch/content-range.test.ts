import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseContentRange } from '../../src/fetch/content-range.ts';

const size = fc.nat({ max: Number.MAX_SAFE_INTEGER - 1 });

test('whatever a server may rightly say of a range is read back', () => {
  fc.assert(
    fc.property(size, size, fc.option(size), (a, b, more) => {
      const [first, last] = a <= b ? [a, b] : [b, a];
      const total = more === null ? undefined : Math.min(last + 1 + (more % 1000), Number.MAX_SAFE_INTEGER);
      expect(parseContentRange(`bytes ${first}-${last}/${total ?? '*'}`)).toEqual({
        kind: 'range',
        first,
        last,
        total,
      });
    }),
  );
  fc.assert(
    fc.property(size, (total) => {
      expect(parseContentRange(`bytes */${total}`)).toEqual({ kind: 'unsatisfied', total });
    }),
  );
});

test.each([
  ['RFC 9110, 14.4', 'bytes 42-1233/1234', { kind: 'range', first: 42, last: 1233, total: 1234 }],
  ['of unknown length', 'bytes 42-1233/*', { kind: 'range', first: 42, last: 1233, total: undefined }],
  ['not satisfied', 'bytes */1234', { kind: 'unsatisfied', total: 1234 }],
  ['the unit in capitals', 'Bytes 0-0/1', { kind: 'range', first: 0, last: 0, total: 1 }],
  ['spaces around', '  bytes 0-0/1 ', { kind: 'range', first: 0, last: 0, total: 1 }],
])('%s', (_, header, expected) => {
  expect(parseContentRange(header)).toEqual(expected);
});

test.each([
  undefined,
  '',
  'bytes',
  'bytes 0-9',
  'bytes=0-9/10',
  'bytes 9-0/10',
  'bytes 0-10/10',
  'bytes */*',
  'bytes -9/10',
  'bytes 0-/10',
  'bytes 0-9/-1',
  'bytes 0x0-9/10',
  'bytes 1e3-1e4/1e5',
  'items 0-9/10',
  'bytes 0-9/10, bytes 10-19/20',
  `bytes 0-9/${'9'.repeat(30)}`,
])('%j is no range', (header) => {
  expect(parseContentRange(header)).toBeUndefined();
});

test('no text makes it throw, or gives a range that is none', () => {
  const near = fc.stringMatching(/^(bytes|items)?[ =\t]?[0-9*-]{0,12}\/?[0-9*]{0,6}$/);
  fc.assert(
    fc.property(fc.oneof(fc.string(), near), (header) => {
      const range = parseContentRange(header);
      if (range?.kind !== 'range') return;
      expect(range.first).toBeLessThanOrEqual(range.last);
      if (range.total !== undefined) expect(range.last).toBeLessThan(range.total);
    }),
    { numRuns: 2000 },
  );
});
