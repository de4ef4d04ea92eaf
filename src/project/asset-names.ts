import { rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { assetNameOf } from '../apt/file-names.ts';
import type { PackedDeb } from '../deb/pack-debs.ts';

/**
 * Gives packages the names that a release page has them under (a dot for `~`), so that checksums, release.json and the
 * page all name the very files that someone has downloaded. dpkg and apt go by what is in a package, not by its name.
 */
export async function nameAsAssets(packed: readonly PackedDeb[]): Promise<PackedDeb[]> {
  const named: PackedDeb[] = [];
  for (const deb of packed) {
    const file = join(dirname(deb.file), assetNameOf(basename(deb.file)));
    if (file !== deb.file) await rename(deb.file, file);
    named.push({ ...deb, file });
  }
  return named;
}
