import { writePackage } from '../deb/archive.ts';
import { formatControl, installedSize, problemOfMaintainer } from '../deb/control.ts';
import { documents } from '../deb/documents.ts';
import { textFile, withParents } from '../deb/entry.ts';
import { defaultSourceDate } from '../deb/pack-debs.ts';
import type { PublicKeyInfo } from '../signing/public-key.ts';

/** Name of the package that brings the keys of an archive. */
export function keyringPackage(origin: string): string {
  const name = origin
    .toLowerCase()
    .replace(/[^a-z0-9+.-]+/g, '-')
    .replace(/^[^a-z0-9]+/, '');
  return `${name === '' ? 'imgbuild' : name}-archive-keyring`;
}

/** Where the package puts the keys, and where `Signed-By` of the sources looks for them. */
export function keyringPath(origin: string): string {
  return `/usr/share/keyrings/${keyringPackage(origin)}.gpg`;
}

/** The keys one after the other: a keyring as gpgv and sqv read it. */
export function keyringBytes(keys: readonly PublicKeyInfo[]): Buffer {
  return Buffer.concat(keys.map(({ binary }) => binary));
}

/** Writes the package with the keys of an archive; the same keys and version give the same bytes. */
export async function writeKeyringPackage(
  path: string,
  origin: string,
  version: string,
  keys: readonly PublicKeyInfo[],
): Promise<void> {
  const name = keyringPackage(origin);
  const userId = keys[0]?.userId ?? '';
  const maintainer = problemOfMaintainer(userId) === undefined ? userId : `${name} <root@localhost>`;
  const bytes = keyringBytes(keys);
  const documented = {
    name,
    product: origin,
    version,
    maintainer,
    license: 'CC0-1.0',
    mtime: defaultSourceDate,
    compression: 'gzip' as const,
  };
  const own = [textFile(keyringPath(origin).slice(1), bytes)];
  const entries = withParents([...own, ...documents(documented, own)]);
  const control = formatControl({
    package: name,
    version,
    architecture: 'all',
    maintainer,
    installedSize: installedSize(
      entries.map((entry) => ({ type: entry.type, size: entry.type === 'file' ? entry.size : 0 })),
    ),
    section: 'misc',
    depends: [],
    recommends: [],
    conflicts: [],
    replaces: [],
    provides: [],
    synopsis: `keys of the package archive of ${origin}`,
    extended: `The keys that sign the archive, for apt:\n${keys.map(({ fingerprint }) => fingerprint).join('\n')}`,
  });
  const layout = { control, conffiles: [], scripts: {}, entries, compression: 'gzip' as const };
  await writePackage(path, layout, { mtime: defaultSourceDate });
}
