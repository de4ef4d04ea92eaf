import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import semver from 'semver';
import { compareDebianVersions, debianVersion, requireSameOrder } from '../../src/deb/version.ts';

type Order = -1 | 0 | 1;
const operators = { '-1': 'lt', '0': 'eq', '1': 'gt' } as const;

/** Claims `a OP b` that `dpkg --compare-versions` denies; all in one shell. */
export function deniedByDpkg(claims: readonly (readonly [string, string, Order])[]): string[] {
  const script = 'while read -r a op b; do dpkg --compare-versions "$a" "$op" "$b" || echo "$a $op $b"; done';
  const input = claims.map(([a, b, order]) => `${a} ${operators[order]} ${b}\n`).join('');
  const output = execFileSync('sh', ['-c', script], { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'ignore'] });
  return output.split('\n').filter((line) => line !== '');
}

const character = (text: string) => fc.constantFrom(...text);
const anyVersion = fc
  .tuple(
    fc.option(fc.nat(3), { nil: undefined }),
    fc.nat(20),
    fc.string({ unit: character('0019aAzZ.+~-'), maxLength: 8 }),
  )
  .map(([epoch, start, rest]) => `${epoch === undefined ? '' : `${epoch}:`}${start}${rest}`)
  .filter((version) => !version.endsWith('-'));

/** Pairs of random versions, a quarter of them next to each other, in the order that is ours. */
export function orderedVersions({ seed, count }: { seed: number; count: number }): [string, string, Order][] {
  const pairs = fc.sample(fc.tuple(anyVersion, anyVersion), { numRuns: Math.ceil(count * 0.75), seed });
  const near = fc
    .sample(anyVersion, { numRuns: Math.ceil(count / 8), seed: seed + 1 })
    .flatMap((version) => [[version, `${version}~`] as const, [`${version}a`, `${version}+0`] as const]);
  return [...pairs, ...near].map(([a, b]) => [a, b, compareDebianVersions(a, b) as Order]);
}

const word = fc.constantFrom('alpha', 'beta', 'rc', 'rc1', 'rc10', 'rc2', 'a', 'ab', 'RC');
const part = fc.oneof(word, fc.nat(12).map(String));
const release = fc
  .tuple(fc.nat(1), fc.array(part, { maxLength: 2 }))
  .map(([patch, parts]) => `1.0.${patch}${parts.length > 0 ? `-${parts.join('.')}` : ''}`);

/** Pairs of releases in the order of semver, as dpkg would read them: those that are let through, and those that are refused. */
export function releasesBySemver({ seed, count }: { seed: number; count: number }): {
  passed: [string, string, Order][];
  refused: [string, string, Order][];
} {
  const pairs = fc.sample(fc.tuple(release, release), { numRuns: count, seed });
  const passes = ([a, b]: readonly [string, string]) => {
    try {
      requireSameOrder(a, [b]);
      return true;
    } catch {
      return false;
    }
  };
  const claims = (of: readonly (readonly [string, string])[]) =>
    of.map(([a, b]): [string, string, Order] => [debianVersion(a), debianVersion(b), semver.compare(a, b)]);
  return { passed: claims(pairs.filter(passes)), refused: claims(pairs.filter((pair) => !passes(pair))) };
}
