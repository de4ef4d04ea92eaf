import { createHash } from 'node:crypto';
import type { RandomAccess } from '../source-spool.ts';
import { BlockSizer } from './block-sizer.ts';
import { planElf, encodeElf } from './elf/elf-encoder.ts';
import { blockLimit, encodeHeader, type Codec, mebibyte, memoryNeeded } from './format.ts';
import { encodeGeneral, generalWindows } from './general-encoder.ts';
import type { EncodeWindows } from '../encode-file.ts';

export interface EncodeOptions {
  /** Leave out to let the files decide. */
  codec?: Codec;
  /** zstd's, 1 to 19. */
  level?: number;
  /** Bytes of the new file that were coded since the last call; it may throw to end the work. */
  onBytes?: (bytes: number) => void;
  windows?: EncodeWindows;
}

/**
 * Yields a delta that makes `text` out of `old` (docs/delta-format.md). Memory: at most 1 GiB, whatever the sizes of the
 * files. Both are read several times and must not change meanwhile: the delta ends with the sha256 of `text` as it was
 * read last.
 */
export async function* encodeDelta(
  old: RandomAccess,
  text: RandomAccess,
  { codec, level = 19, onBytes = () => {}, windows = generalWindows }: EncodeOptions = {},
): AsyncGenerator<Buffer> {
  const plan = codec === 'general' ? undefined : planElf(old, text);
  const blockSize = Math.min(blockLimit, plan === undefined ? 4 * text.size + 64 : blockLimit);
  yield encodeHeader({
    codec: plan === undefined ? 'general' : 'elf',
    oldSize: old.size,
    newSize: text.size,
    blockSize,
    memory: memoryNeeded(blockSize, plan?.tables),
  });
  const sizer = new BlockSizer(blockSize);
  if (plan === undefined) yield* encodeGeneral(old, text, level, sizer, onBytes, windows);
  else yield* encodeElf(plan, old, text, level, sizer, onBytes);
  yield digestOf(text);
}

/** sha256, read in pieces. */
function digestOf(file: RandomAccess): Buffer {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(Math.min(file.size, mebibyte));
  for (let at = 0; at < file.size; at += buffer.length) {
    const size = Math.min(buffer.length, file.size - at);
    file.read(at, size, buffer);
    hash.update(buffer.subarray(0, size));
  }
  return hash.digest();
}
