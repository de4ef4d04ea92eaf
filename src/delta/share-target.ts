import { join } from 'node:path';
import { withTemporaryFolder } from '../files/temporary-folder.ts';
import type { ImageSet } from '../image-source/image.ts';
import { keepTars } from './kept-tars.ts';

/**
 * Runs `work` with a target that several deltas lead to: what the first of them has fetched, unpacked and checked lies in a
 * temporary folder in `folder` for the next ones, which check it once more. Disk: as of `keepTars`, for each image. For one
 * delta nothing is kept.
 */
export async function withSharedTarget<T>(
  to: ImageSet,
  deltas: number,
  folder: string,
  work: (to: ImageSet) => Promise<T>,
): Promise<T> {
  if (deltas < 2) return work(to);
  return withTemporaryFolder(folder, async (temporary) => {
    const kept = to.images.map(({ layers }, at) => keepTars(layers, join(temporary, String(at))));
    try {
      return await work({ ...to, images: to.images.map((image, at) => ({ ...image, layers: kept[at]!.layers })) });
    } finally {
      for (const each of kept) each.close();
    }
  });
}
