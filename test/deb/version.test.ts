import { describe, expect, test } from 'vitest';
import { debianVersion, requireSameOrder } from '../../src/deb/version.ts';
import { deniedByDpkg, orderedVersions, releasesBySemver } from './version-soak.ts';

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

describe('the order of versions', () => {
  test('is that of dpkg --compare-versions on two thousand random versions', () => {
    const claims = orderedVersions({ seed: 1, count: 2000 });
    expect(claims.length).toBeGreaterThanOrEqual(2000);
    expect(deniedByDpkg(claims)).toEqual([]);
    expect(new Set(claims.map(([, , order]) => order)).size).toBeGreaterThan(1);
    expect(deniedByDpkg([['1', '2', 1]])).toEqual(['1 gt 2']);
  }, 60_000);

  test('of releases that are let through is that of semver, for dpkg itself', () => {
    const { passed, refused } = releasesBySemver({ seed: 1, count: 600 });
    expect(passed.length).toBeGreaterThan(200);
    expect(refused.length).toBeGreaterThan(0);
    expect(deniedByDpkg(passed)).toEqual([]);
    expect(deniedByDpkg(refused)).toHaveLength(refused.length);
  }, 60_000);
});
