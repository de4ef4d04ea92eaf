import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import semver from 'semver';
import { describe, expect, test } from 'vitest';
import { compareDebianVersions, debianVersion, requireSameOrder } from '../../src/deb/version.ts';

describe('the Debian version of a release', () => {
  test.each([
    ['1.2.0', '1.2.0'],
    ['v1.2.0', '1.2.0'],
    ['v1.2.0-rc.1', '1.2.0~rc.1'],
    ['1.2.0+5', '1.2.0+5'],
    ['v1.2.0-rc.1+5', '1.2.0~rc.1+5'],
    ['1.2.0-0', '1.2.0~0'],
  ])('of %s is %s', (release, debian) => {
    expect(debianVersion(release)).toBe(debian);
  });

  test.each(['1.2', 'latest', '', '1.2.0\nX: y', '01.2.0', '1:1.2.0', 'vv1.2.0'])('of %j is refused', (release) => {
    expect(() => debianVersion(release)).toThrow(/not a semantic version/);
  });

  test('with a hyphen in it is refused, with what to write', () => {
    expect(() => debianVersion('v1.2.0-alpha-1')).toThrow(
      expect.objectContaining({ fix: 'write it with dots: v1.2.0-alpha.1', kind: 'input' }),
    );
    expect(() => debianVersion('1.2.0+git-abc')).toThrow(
      expect.objectContaining({ fix: 'write it with dots: 1.2.0+git.abc' }),
    );
  });

  test('that dpkg sorts otherwise than semver is refused, both shown', () => {
    expect(() => requireSameOrder('1.0.0-rc10', ['1.0.0-rc1', '1.0.0-rc9'])).toThrow(
      'semantic versioning says 1.0.0-rc10 < 1.0.0-rc9, dpkg says 1.0.0~rc10 > 1.0.0~rc9',
    );
    expect(() => requireSameOrder('v1.0.0-rc1', ['1.0.0-rc.1'])).toThrow(/dpkg says 1.0.0~rc1 < 1.0.0~rc.1/);
    requireSameOrder('1.0.0-rc.10', [
      '1.0.0-rc.9',
      '0.9.0',
      '1.0.0',
      '1.0.0-rc.10+build.7',
      'v2.0.0-alpha',
      '1.0.0-no-deb',
    ]);
  });
});

const character = (text: string) => fc.constantFrom(...text);
const anyVersion = fc
  .tuple(
    fc.option(fc.nat(3), { nil: undefined }),
    fc.nat(20),
    fc.string({ unit: character('0019aAzZ.+~-'), maxLength: 8 }),
  )
  .map(([epoch, start, rest]) => `${epoch === undefined ? '' : `${epoch}:`}${start}${rest}`)
  .filter((version) => !version.endsWith('-'));

const operators = { '-1': 'lt', '0': 'eq', '1': 'gt' } as const;

/** Claims `a OP b` that dpkg denies; all in one shell. */
function deniedByDpkg(claims: readonly (readonly [string, string, -1 | 0 | 1])[]): string[] {
  const script = 'while read -r a op b; do dpkg --compare-versions "$a" "$op" "$b" || echo "$a $op $b"; done';
  const input = claims.map(([a, b, order]) => `${a} ${operators[order]} ${b}\n`).join('');
  const output = execFileSync('sh', ['-c', script], { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'ignore'] });
  return output.split('\n').filter((line) => line !== '');
}

describe('the order of versions', () => {
  test('is that of dpkg on two thousand random versions', () => {
    const pairs = fc.sample(fc.tuple(anyVersion, anyVersion), { numRuns: 1500, seed: 1 });
    const near = fc
      .sample(anyVersion, { numRuns: 250, seed: 2 })
      .flatMap((version) => [[version, `${version}~`] as const, [`${version}a`, `${version}+0`] as const]);
    const claims = [...pairs, ...near].map(([a, b]) => [a, b, compareDebianVersions(a, b)] as const);
    expect(deniedByDpkg(claims)).toEqual([]);
    expect(new Set(claims.map(([, , order]) => order)).size).toBeGreaterThan(1);
    expect(deniedByDpkg([['1', '2', 1]])).toEqual(['1 gt 2']);
  }, 60_000);

  test('of releases that are let through is that of semver, for dpkg itself', () => {
    const word = fc.constantFrom('alpha', 'beta', 'rc', 'rc1', 'rc10', 'rc2', 'a', 'ab', 'RC');
    const part = fc.oneof(word, fc.nat(12).map(String));
    const release = fc
      .tuple(fc.nat(1), fc.array(part, { maxLength: 2 }))
      .map(([patch, parts]) => `1.0.${patch}${parts.length > 0 ? `-${parts.join('.')}` : ''}`);
    const passes = ([a, b]: readonly [string, string]) => {
      try {
        requireSameOrder(a, [b]);
        return true;
      } catch {
        return false;
      }
    };
    const claims = (pairs: readonly (readonly [string, string])[]) =>
      pairs.map(([a, b]) => [debianVersion(a), debianVersion(b), semver.compare(a, b)] as const);
    const pairs = fc.sample(fc.tuple(release, release), { numRuns: 600, seed: 1 });
    const [passed, refused] = [pairs.filter(passes), pairs.filter((pair) => !passes(pair))];
    expect(passed.length).toBeGreaterThan(200);
    expect(refused.length).toBeGreaterThan(0);
    expect(deniedByDpkg(claims(passed))).toEqual([]);
    expect(deniedByDpkg(claims(refused))).toHaveLength(refused.length);
  }, 60_000);
});
