import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  aliasesOf,
  parseVersion,
  previousOf,
  versionOfTag,
  versionsBefore,
  versionTag,
} from '../../src/release/version.ts';

test.each([
  ['1.2.0', '1.2.0'],
  ['v1.2.0', '1.2.0'],
  ['v1.2.0-rc.1', '1.2.0-rc.1'],
  ['1.2.0+b.5', '1.2.0+b.5'],
])('%s is read as %s', (text, version) => expect(parseVersion(text)).toBe(version));

test.each([
  '1.2',
  'vv1.2.0',
  '1.02.0',
  'latest',
  '',
  ' 1.2.0',
  '=1.2.0',
  'v',
  '1.2.0_x',
  '1.2.0/x',
  '1.2.0-',
  `1.0.0-${'a'.repeat(120)}`,
])('%j is refused', (text) => expect(() => parseVersion(text)).toThrow(/not a version/));

test('a version comes back from its tag, which registries accept', () => {
  const id = fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,6}$/);
  const ids = fc.array(id, { maxLength: 2 });
  const nat = fc.nat(99);
  fc.assert(
    fc.property(nat, nat, nat, ids, ids, (a, b, c, pre, build) => {
      const version = `${a}.${b}.${c}${pre.length ? `-${pre.join('.')}` : ''}${build.length ? `+${build.join('.')}` : ''}`;
      expect(parseVersion(version)).toBe(version);
      expect(versionTag(version)).toMatch(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/);
      expect(versionOfTag(versionTag(version))).toBe(version);
    }),
  );
  for (const tag of ['latest', '1.2', 'yanked-1.2.0', 'v1.2.0', '1.2.0_a_b']) expect(versionOfTag(tag)).toBeUndefined();
});

describe('previous', () => {
  test.each([
    ['1.2.0', ['1.0.0', '1.1.0', '2.0.0'], '1.1.0'],
    ['1.2.0', ['1.10.0', '1.9.0'], undefined],
    ['1.10.0', ['1.2.0', '1.9.0'], '1.9.0'],
    ['1.2.0', ['1.2.0', '1.2.0-rc.2', '1.2.0-rc.10'], '1.2.0-rc.10'],
    ['1.2.0-rc.1', ['1.1.0', '1.2.0'], '1.1.0'],
    ['1.0.0', [], undefined],
  ])('of %s among %j is %s', (version, released, previous) => expect(previousOf(version, released)).toBe(previous));
});

test.each([
  ['1.2.0', '1.1.0', ['1.0.0', '1.1.0', '2.0.0', '0.9.0'], 3, ['1.1.0', '1.0.0', '0.9.0']],
  ['1.2.0', '0.9.0', ['1.0.0', '1.1.0', '0.9.0'], 2, ['0.9.0', '1.1.0']],
  ['1.2.0', '1.1.0', ['1.0.0', '1.1.0'], 0, []],
])('the releases before %s, %s first, of %j: %i are %j', (version, previous, released, count, before) => {
  expect(versionsBefore(version, previous, released, count)).toEqual(before);
});

describe('aliases', () => {
  test.each([
    ['1.0.0', [], ['1.0', '1', 'latest']],
    ['1.2.1', ['1.2.0', '1.1.9'], ['1.2', '1', 'latest']],
    ['1.1.5', ['1.2.0', '1.1.4'], ['1.1']],
    ['1.1.5', ['1.1.6'], []],
    ['1.3.0', ['2.0.0', '1.2.0'], ['1.3', '1']],
    ['2.0.0', ['1.9.0'], ['2.0', '2', 'latest']],
    ['2.0.0-rc.1', ['1.9.0'], []],
    ['2.0.0', ['2.0.0-rc.1', '3.0.0-rc.1'], ['2.0', '2', 'latest']],
    ['1.10.0', ['1.9.0'], ['1.10', '1', 'latest']],
  ])('of %s among %j are %j', (version, released, aliases) => expect(aliasesOf(version, released)).toEqual(aliases));
});
