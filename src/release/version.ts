import semver from 'semver';
import { Failure } from '../failure.ts';

/** A version as semver.org writes it, without `v`: `1.2.0`, `1.2.0-rc.1`, `1.2.0+b5`. */
export type Version = string;

/** With or without `v` in front. Throws a Failure of kind `input`. */
export function parseVersion(text: string): Version {
  const bare = text.replace(/^v(?=\d)/, '');
  const parsed = semver.parse(bare);
  const written = parsed && parsed.version + (parsed.build.length === 0 ? '' : `+${parsed.build.join('.')}`);
  if (!parsed || written !== bare || bare.length > 110) {
    throw new Failure({
      doing: `reading the version ${JSON.stringify(text)}`,
      because: 'it is not a version as semver.org has it',
      fix: 'write MAJOR.MINOR.PATCH, as in 1.2.0 or 1.2.0-rc.1',
      kind: 'input',
    });
  }
  return bare;
}

/** Tags cannot have a plus sign. */
export function versionTag(version: Version): string {
  return version.replaceAll('+', '_');
}

/** The version that a tag stands for; undefined for other tags. A version itself has no underscore. */
export function versionOfTag(tag: string): Version | undefined {
  const version = tag.replace('_', '+');
  try {
    return version === parseVersion(version) ? version : undefined;
  } catch {
    return undefined;
  }
}

export function isPreRelease(version: Version): boolean {
  return semver.prerelease(version) !== null;
}

export function compareVersions(a: Version, b: Version): number {
  return semver.compareBuild(a, b);
}

/** The highest version below; undefined for the first. */
export function previousOf(version: Version, released: readonly Version[]): Version | undefined {
  return released
    .filter((other) => compareVersions(other, version) < 0)
    .toSorted(compareVersions)
    .at(-1);
}

/** The highest `count` versions below, the nearest first; `previous` is the first of them, whatever it is. */
export function versionsBefore(
  version: Version,
  previous: Version,
  released: readonly Version[],
  count: number,
): Version[] {
  const others = released
    .filter((other) => other !== previous && compareVersions(other, version) < 0)
    .toSorted((a, b) => compareVersions(b, a));
  return [previous, ...others].slice(0, count);
}

/**
 * The moving tags that a release takes over, out of `1`, `1.2` and `latest`: each only when it is the newest of its
 * line. `released` are the versions that count, whether or not this one is among them. None for a pre-release.
 */
export function aliasesOf(version: Version, released: readonly Version[]): string[] {
  if (isPreRelease(version)) return [];
  const { major, minor } = semver.parse(version)!;
  const finals = released.filter((other) => !isPreRelease(other));
  const newest = (line: (other: semver.SemVer) => boolean) =>
    finals.every((other) => !line(semver.parse(other)!) || compareVersions(other, version) <= 0);
  const aliases: string[] = [];
  if (newest((other) => other.major === major && other.minor === minor)) aliases.push(`${major}.${minor}`);
  if (newest((other) => other.major === major)) aliases.push(`${major}`);
  if (newest(() => true)) aliases.push('latest');
  return aliases;
}
