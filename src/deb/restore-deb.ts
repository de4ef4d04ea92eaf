import { join } from 'node:path';
import { restoreFile } from '../artifact/restore.ts';
import { missingOrThrow } from '../files/unreadable.ts';
import { hexOf } from '../oci/digest.ts';
import type { Progress } from '../progress.ts';
import type { PlannedDeb } from './planned-deb.ts';
import type { PackedDeb } from './pack-debs.ts';
import type { SavedDebs, SavedFile } from './saved-debs.ts';

/** Writes a saved package into the folder, unless it lies there, with the name and the version that it was packed with. */
export async function restoreDeb(
  repository: string,
  { version, fileName, blob }: SavedFile,
  { store, hashes }: SavedDebs,
  to: { deb: PlannedDeb; directory: string; staged: boolean; progress: Progress; signal: AbortSignal },
): Promise<PackedDeb> {
  const { deb, directory, staged, progress, signal } = to;
  const file = join(directory, fileName);
  const sha256 = hexOf(blob.digest);
  const there = await hashes.known(file).catch(missingOrThrow(file));
  if (there?.sha256 !== sha256) {
    await restoreFile(store, repository, blob, file, { name: fileName, progress, signal });
    if (!staged) await hashes.remember(file, sha256);
  }
  const { name, architecture } = deb;
  return { name, file, version, architecture, size: blob.size, sha256 };
}
