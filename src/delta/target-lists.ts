import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { withTemporaryFolder } from '../files/temporary-folder.ts';
import type { SourceImage } from '../image-source/image.ts';
import { decompressed } from '../image-source/verified.ts';
import type { Progress } from '../progress.ts';
import type { Bundle, BundleImage } from './bundle/read.ts';
import { locateEntries } from './locate-entries.ts';
import { PackageLists } from './packages/package-lists.ts';
import { fileSink, type RebuildOptions } from './rebuild.ts';
import { rebuildAll } from './verify.ts';

interface ListOptions extends RebuildOptions {
  /** A folder for temporary files: one filesystem layer at a time, and what deltas read from. */
  temporary: string;
  progress: Progress;
}

/**
 * The lists of packages that the target of a bundle has: out of the bundle where it carries everything, else by rebuilding
 * it from the image that it starts from. Undefined where that is needed and not given, or where there are too many.
 */
export async function targetLists(
  bundle: Bundle,
  image: BundleImage,
  from: SourceImage | undefined,
  options: ListOptions,
): Promise<Map<string, Buffer> | undefined> {
  const lists = new PackageLists();
  const isWhole = image.layers.every(({ carried }) => carried.kind === 'whole');
  if (isWhole) {
    for (const { diffId, carried } of image.layers) {
      if (carried.kind !== 'whole') continue;
      const what = `the filesystem layer ${carried.blob.digest} of ${bundle.path}`;
      await read(decompressed(bundle.blob(carried.blob), what), lists.tap(diffId));
    }
  } else if (image.source !== undefined && from === undefined) return undefined;
  else {
    await withTemporaryFolder(options.temporary, async (folder) => {
      let number = 0;
      await rebuildAll(bundle, image, from, folder, options.progress, options, ({ diffId }) => {
        const path = join(folder, `layer-${number++}`);
        const sink = fileSink(path);
        return {
          write: (bytes) => sink.write(bytes),
          async finish() {
            sink.close();
            await read(createReadStream(path), lists.tap(diffId));
            await rm(path);
          },
        };
      });
    });
    const reused = new Set(image.layers.flatMap(({ diffId, carried }) => (carried.kind === 'reused' ? [diffId] : [])));
    for (const layer of from?.layers ?? []) {
      if (reused.delete(layer.diffId)) await read(layer.tar(), lists.tap(layer.diffId));
    }
  }
  return lists.visible(image.layers.map(({ diffId }) => diffId));
}

function read(tar: AsyncIterable<Buffer>, tap: ReturnType<PackageLists['tap']>): Promise<void> {
  return locateEntries(tar, () => {}, tap);
}
