import { BlockSizer } from '../codec/block-sizer.ts';
import { blockLimit } from '../codec/format.ts';
import { encodeGeneral, generalWindows } from '../codec/general-encoder.ts';
import type { RandomAccess } from '../source-spool.ts';

/** Bytes of the general coding, or more than `limit` where it has more. */
export async function generalSize(
  old: RandomAccess,
  text: RandomAccess,
  level: number,
  limit: number,
): Promise<number> {
  let size = 0;
  const blocks = encodeGeneral(old, text, level, new BlockSizer(blockLimit), () => {}, generalWindows);
  for await (const block of blocks) {
    size += block.length;
    if (size > limit) break;
  }
  return size;
}
