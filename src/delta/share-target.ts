import { join } from 'node:path';
import { withTemporaryFolder } from '../files/temporary-folder.ts';
import type { ImageSet } from '../image-source/image.ts';
import { keepTars, wholeRoom, type Room } from './kept-tars.ts';

/**
 * Runs `work` with a target that several deltas lead to: the filesystem layers that the first of them has unpacked and checked lie
 * in a temporary folder in `folder` for the next ones, which check them once more. Only as unpacked: the blobs of those that are
 * sent whole or reused, and packages, come from their source each time. Disk: `room`, which the deltas share. For one delta
 * nothing is kept.
 */
export async function withSharedTarget<T>(
  to: ImageSet,
  deltas: number,
  folder: string,
  work: (to: ImageSet, room: Room) => Promise<T>,
): Promise<T> {
  const room = wholeRoom();
  if (deltas < 2) return work(to, room);
  return withTemporaryFolder(folder, async (temporary) => {
    const kept = to.images.map(({ layers }, at) => keepTars(layers, join(temporary, String(at)), room));
    try {
      const images = to.images.map((image, at) => ({ ...image, layers: kept[at]!.layers }));
      return await work({ ...to, images }, room);
    } finally {
      for (const each of kept) each.close();
    }
  });
}
