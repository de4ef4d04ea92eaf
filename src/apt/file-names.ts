/**
 * Where a package lies in the pool, as in Debian's: by initial, and without the epoch, which a path need not tell since
 * no two versions of a package differ in it alone.
 */
export function poolPath(of: { name: string; version: string; architecture: string }): string {
  const initial = of.name.startsWith('lib') ? of.name.slice(0, 4) : of.name[0]!;
  const version = of.version.replace(/^[0-9]+:/, '');
  return `pool/main/${initial}/${of.name}/${of.name}_${version}_${of.architecture}.deb`;
}

/** The name of a package as an asset of a release. */
export function assetName(of: { name: string; version: string; architecture: string }): string {
  return assetNameOf(`${of.name}_${of.version}_${of.architecture}.deb`);
}

/**
 * What a file is called as an asset of a release on GitHub, which itself puts a dot for `~`, `:` and whatever else is no
 * letter, digit, dot, hyphen, underscore or plus.
 */
export function assetNameOf(file: string): string {
  return file.replace(/[^A-Za-z0-9._+-]/g, '.');
}

/** A release asset on GitHub is smaller than this (bytes). */
export const assetLimit = 2 * 1024 ** 3;

/** … and a release has no more of them than this. */
export const assetCountLimit = 1000;
