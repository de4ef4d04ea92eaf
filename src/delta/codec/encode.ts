import { createHash } from 'node:crypto';
import type { EncodeWindows } from '../encode-file.ts';
import type { RandomAccess } from '../source-spool.ts';
import { elfPackerAt } from './block.ts';
import { BlockSizer } from './block-sizer.ts';
import { encodeElf } from './elf/elf-encoder.ts';
import { planElf, type ElfPlan } from './elf/plan.ts';
import { blockLimit, encodeHeader, mebibyte, memoryNeeded, type Codec } from './format.ts';
import { encodeGeneral, generalWindows } from './general-encoder.ts';

export interface EncodeOptions {
  /** Leave out to let the files decide; 'elf' is meant for files that are. */
  codec?: Codec;
  /** zstd's, 1 to 19. */
  level?: number;
  /** Bytes of the new file that were coded since the last call; it may throw to end the work. */
  onBytes?: (bytes: number) => void;
  windows?: EncodeWindows;
}

interface Work {
  old: RandomAccess;
  text: RandomAccess;
  level: number;
  onBytes: (bytes: number) => void;
  windows: EncodeWindows;
}

/**
 * What an ELF delta says about the files costs some hundred bytes: one that is no larger than this is compared with what
 * the general coding makes of the same files.
 */
const trialLimit = 8 * 1024;

/**
 * Yields a delta that makes `text` out of `old` (docs/delta-format.md), in the coding that suits them. Memory: at most
 * 1 GiB, whatever the sizes of the files. Both are read several times and must not change meanwhile: the delta ends with
 * the sha256 of `text` as it was read last.
 */
export async function* encodeDelta(
  old: RandomAccess,
  text: RandomAccess,
  { codec, level = 19, onBytes = () => {}, windows = generalWindows }: EncodeOptions = {},
): AsyncGenerator<Buffer> {
  const work = { old, text, level, onBytes, windows };
  const plan = codec === 'general' ? undefined : await planElf(old, text, true);
  if (plan === undefined) yield* generalDelta(work);
  else if (codec === 'elf') yield* elfDelta(plan, work);
  else yield* smallerDelta(plan, work);
  yield digestOf(text);
}

async function* smallerDelta(plan: ElfPlan, work: Work): AsyncGenerator<Buffer> {
  const elf = elfDelta(plan, work);
  const begun = await upTo(elf, trialLimit);
  if (begun.ended) {
    const general = await upTo(generalDelta({ ...work, onBytes() {} }), begun.size);
    yield* general.ended && general.size < begun.size ? general.parts : begun.parts;
    return;
  }
  yield* begun.parts;
  yield* elf;
}

/** Takes parts until there are more bytes than `limit`, or no more parts. */
async function upTo(
  delta: AsyncGenerator<Buffer>,
  limit: number,
): Promise<{ parts: Buffer[]; size: number; ended: boolean }> {
  const parts: Buffer[] = [];
  let size = 0;
  while (size <= limit) {
    const next = await delta.next();
    if (next.done === true) return { parts, size, ended: true };
    parts.push(next.value);
    size += next.value.length;
  }
  return { parts, size, ended: false };
}

async function* generalDelta({ old, text, level, onBytes, windows }: Work): AsyncGenerator<Buffer> {
  const blockSize = Math.min(blockLimit, 4 * text.size + 64);
  const memory = memoryNeeded(blockSize);
  yield encodeHeader({ codec: 'general', oldSize: old.size, newSize: text.size, blockSize, memory });
  yield* encodeGeneral(old, text, level, new BlockSizer(blockSize), onBytes, windows);
}

async function* elfDelta(plan: ElfPlan, { old, text, level, onBytes }: Work): AsyncGenerator<Buffer> {
  const memory = memoryNeeded(blockLimit, plan.tables);
  yield encodeHeader({ codec: 'elf', oldSize: old.size, newSize: text.size, blockSize: blockLimit, memory });
  yield* encodeElf(plan, old, text, elfPackerAt(level), new BlockSizer(blockLimit), onBytes);
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
