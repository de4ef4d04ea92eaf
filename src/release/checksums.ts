import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { replaceFile } from '../files/durable-write.ts';
import type { SigningKey } from '../signing/openpgp.ts';
import { formatRelease, type Release } from './release-json.ts';
import { writeSignedSums } from './signed-sums.ts';

export const sumsFile = 'SHA256SUMS';

/**
 * Writes release.json and SHA256SUMS (as sha256sum writes it) into a folder, and with a key the signature of the sums. Deltas
 * that are not at hand, since they were made on another machine, are left out of the sums: `isHere` tells by the file's name.
 */
export async function writeReleaseFiles(
  folder: string,
  release: Release,
  isHere: (file: string) => boolean,
  key: SigningKey | undefined,
): Promise<string> {
  const document = formatRelease(release);
  const file = join(folder, 'release.json');
  await replaceFile(file, (handle) => handle.writeFile(document));
  const sums = [
    ...release.debs,
    ...release.deltas.filter((delta) => isHere(delta.file)),
    { file: 'release.json', sha256: createHash('sha256').update(document).digest('hex') },
  ];
  await writeSignedSums(folder, sumsFile, sums, key);
  return file;
}
