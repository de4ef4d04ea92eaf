import { basename, dirname, join } from 'node:path';
import { syncFolder, writeDurably } from '../files/durable-write.ts';
import { layoutMarker } from '../oci/layout-marker.ts';
import { sizeOf, type BlobFolder } from './blob-folder.ts';
import { checkFolder } from './check-folder.ts';
import { withFolderLock } from './folder-lock.ts';
import { emptyIndex } from './layout-index.ts';

/** Held while index.json changes. */
export function layoutLock(path: string): string {
  return join(path, '.lock');
}

/** Makes the layout, or what of it is missing. */
export async function makeLayout(path: string, blobs: BlobFolder): Promise<void> {
  // One look for both questions: another process may be making the same layout.
  const found = await checkFolder(path, 'read');
  await blobs.make();
  if (found === 'layout') return;
  await withFolderLock(layoutLock(path), async () => {
    for (const [name, text] of [
      ['oci-layout', layoutMarker],
      ['index.json', JSON.stringify(emptyIndex)],
    ] as const) {
      const file = join(path, name);
      if (sizeOf(file) === undefined) await writeDurably(blobs.ingest, file, (handle) => handle.writeFile(text));
    }
    await syncFolder(dirname(path));
  });
  await ignoreInGit(dirname(path));
}

/** `.imgbuild` keeps itself out of the repository around it. */
async function ignoreInGit(folder: string): Promise<void> {
  if (basename(folder) !== '.imgbuild') return;
  const path = join(folder, '.gitignore');
  if (sizeOf(path) === undefined) await writeDurably(folder, path, (handle) => handle.writeFile('*\n'));
}
