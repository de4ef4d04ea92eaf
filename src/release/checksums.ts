import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { replaceFile } from '../files/durable-write.ts';
import { formatRelease, type Release } from './release-json.ts';

/**
 * Writes release.json and SHA256SUMS (as sha256sum writes it) into a folder. Deltas that are not at hand, since they
 * were made on another machine, are left out of the sums: `isHere` tells by the file's name.
 */
export async function writeReleaseFiles(
  folder: string,
  release: Release,
  isHere: (file: string) => boolean,
): Promise<string> {
  const document = formatRelease(release);
  const file = join(folder, 'release.json');
  await replaceFile(file, (handle) => handle.writeFile(document));
  const sums = [
    ...release.debs,
    ...release.deltas.filter((delta) => isHere(delta.file)),
    { file: 'release.json', sha256: createHash('sha256').update(document).digest('hex') },
  ];
  await replaceFile(join(folder, 'SHA256SUMS'), (handle) => handle.writeFile(formatSums(sums)));
  return file;
}

/** As sha256sum writes it, by name. `file`: without folder; `sha256`: 64 hex digits. */
export function formatSums(sums: readonly { file: string; sha256: string }[]): string {
  return sums
    .map(({ file, sha256 }) => `${sha256}  ${file}\n`)
    .toSorted((a, b) => (a.slice(66) < b.slice(66) ? -1 : 1))
    .join('');
}
