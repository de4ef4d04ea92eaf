/** Releases whose dpkg does not read zstd: it came with 1.21.18 in Debian, and earlier in Ubuntu. */
const withoutZstd: ReadonlySet<string> = new Set([
  'debian:9',
  'stretch',
  'debian:10',
  'buster',
  'debian:11',
  'bullseye',
  'ubuntu:14.04',
  'trusty',
  'ubuntu:16.04',
  'xenial',
]);

const withZstd: ReadonlySet<string> = new Set([
  'debian:12',
  'bookworm',
  'debian:13',
  'trixie',
  'debian:14',
  'forky',
  'sid',
  'ubuntu:18.04',
  'bionic',
  'ubuntu:20.04',
  'focal',
  'ubuntu:22.04',
  'jammy',
  'ubuntu:24.04',
  'noble',
  'ubuntu:26.04',
]);

export const suites: readonly string[] = [...withZstd, ...withoutZstd];

/** Whether the dpkg of all of them unpacks zstd. */
export function knowsZstd(targets: readonly string[]): boolean {
  return !targets.some((suite) => withoutZstd.has(suite));
}
