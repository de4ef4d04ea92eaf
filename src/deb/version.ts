import semver from 'semver';
import { Failure } from '../failure.ts';

/**
 * The Debian version of a release: `v1.2.0-rc.1+5` becomes `1.2.0~rc.1+5`, since `~` sorts before everything
 * (deb-version(7)). Throws a Failure on what is no semantic version, and on hyphens, which would begin a revision.
 */
export function debianVersion(release: string): string {
  const doing = `making a Debian version of ${JSON.stringify(release)}`;
  const parsed = /^v?[0-9]\S*$/.test(release) ? semver.parse(release.replace(/^v/, '')) : null;
  if (parsed === null) {
    throw new Failure({
      doing,
      because: 'this is not a semantic version',
      fix: 'write MAJOR.MINOR.PATCH, as in 1.2.0 or 1.2.0-rc.1',
      kind: 'input',
    });
  }
  const suffix = [...parsed.prerelease, ...parsed.build].join('.');
  if (suffix.includes('-')) {
    throw new Failure({
      doing,
      because: 'Debian takes what follows a hyphen for the revision of the packaging',
      fix: `write it with dots: ${release.replace(/^(v?[0-9.]+-?)(.*)$/, (_, core, rest: string) => core + rest.replaceAll('-', '.'))}`,
      kind: 'input',
    });
  }
  const prerelease = parsed.prerelease.length === 0 ? '' : `~${parsed.prerelease.join('.')}`;
  const build = parsed.build.length === 0 ? '' : `+${parsed.build.join('.')}`;
  return `${parsed.major}.${parsed.minor}.${parsed.patch}${prerelease}${build}`;
}

/** Whether a release, with or without `v`, comes before the final one of its numbers: 1.2.0-rc.1. */
export function isPreRelease(release: string): boolean {
  return semver.prerelease(release.replace(/^v/, '')) !== null;
}

/**
 * Throws a Failure when dpkg would take the release for older than one that semantic versioning puts before it, or the
 * reverse: devices would then refuse an update, or take a step back for one. Build metadata, which semantic
 * versioning leaves out of the order, is no disagreement.
 */
export function requireSameOrder(release: string, others: Iterable<string>): void {
  const debian = debianVersion(release);
  for (const other of others) {
    const semantic = Math.sign(semver.compare(release.replace(/^v/, ''), other.replace(/^v/, '')));
    if (semantic === 0) continue;
    const otherDebian = knownDebianVersion(other);
    if (otherDebian === undefined) continue;
    const dpkg = compareDebianVersions(debian, otherDebian);
    if (dpkg === semantic) continue;
    const sign = (order: number) => (order < 0 ? '<' : order > 0 ? '>' : '=');
    throw new Failure({
      doing: `making a Debian version of ${JSON.stringify(release)}`,
      because:
        `semantic versioning says ${release} ${sign(semantic)} ${other}, ` +
        `dpkg says ${debian} ${sign(dpkg)} ${otherDebian}`,
      fix: 'write the parts of a pre-release with dots between words and numbers: rc.1, rc.2, … rc.10',
      kind: 'input',
    });
  }
}

/** A release that has no Debian version never was a package. */
function knownDebianVersion(release: string): string | undefined {
  try {
    return debianVersion(release);
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}

/** The order of dpkg (deb-version(7), "Sorting algorithm"): -1, 0 or 1. The versions must be valid. */
export function compareDebianVersions(a: string, b: string): -1 | 0 | 1 {
  const [left, right] = [splitVersion(a), splitVersion(b)];
  const order =
    left.epoch - right.epoch ||
    compareParts(left.upstream, right.upstream) ||
    compareParts(left.revision, right.revision);
  return Math.sign(order) as -1 | 0 | 1;
}

function splitVersion(version: string): { epoch: number; upstream: string; revision: string } {
  const colon = version.indexOf(':');
  const rest = version.slice(colon + 1);
  const hyphen = rest.lastIndexOf('-');
  return {
    epoch: colon === -1 ? 0 : Number(version.slice(0, colon)),
    upstream: hyphen === -1 ? rest : rest.slice(0, hyphen),
    revision: hyphen === -1 ? '' : rest.slice(hyphen + 1),
  };
}

/** Words and numbers in turns; a word's characters rank `~`, its end, letters, all others. */
function compareParts(a: string, b: string): number {
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    while ((i < a.length && !isDigit(a[i]!)) || (j < b.length && !isDigit(b[j]!))) {
      const order = rank(a[i]) - rank(b[j]);
      if (order !== 0) return order;
      i++;
      j++;
    }
    const [left, right] = [/^[0-9]*/.exec(a.slice(i))![0], /^[0-9]*/.exec(b.slice(j))![0]];
    i += left.length;
    j += right.length;
    const [short, long] = [left.replace(/^0+/, ''), right.replace(/^0+/, '')];
    if (short.length !== long.length) return short.length - long.length;
    if (short !== long) return short < long ? -1 : 1;
  }
  return 0;
}

function rank(character: string | undefined): number {
  if (character === undefined || isDigit(character)) return 0;
  if (character === '~') return -1;
  const code = character.charCodeAt(0);
  return /[A-Za-z]/.test(character) ? code : code + 256;
}

function isDigit(character: string): boolean {
  return character >= '0' && character <= '9';
}
