import { BlockSizer } from '../codec/block-sizer.ts';
import { ByteWriter } from '../codec/bytes.ts';
import { encodeElf, planElf } from '../codec/elf/elf-encoder.ts';
import { blockLimit, memoryLimit, type ElfTables } from '../codec/format.ts';
import type { RandomAccess } from '../source-spool.ts';
import { elfPart, layerMemoryNeeded, type ListLengths } from './format.ts';
import { generalSize } from './general-size.ts';

/** A file that is to be coded by what it is, apart from what is around it. */
export interface FilePartWork {
  old: RandomAccess;
  text: RandomAccess;
  /** Where the old one begins in the old file of the layer delta. */
  position: number;
  /** zstd's. */
  level: number;
  /** What a decoder keeps beside the tables of the part. */
  lengths: ListLengths;
}

/** What a part tells beside its bytes; it goes from thread to thread as it is. */
export interface EncodedFilePart {
  tables: ElfTables;
}

/**
 * A part ends the blocks around it, and what it says about its file costs some hundred bytes: one that is no larger than
 * the first figure is compared with what the general coding makes of the same file, and has the second one against it.
 */
const trialLimit = 8 * 1024;
const partCost = 80;

/**
 * Passes the bytes of a part on to `put`. Undefined, with nothing put out, where the files are not what they seem, where a
 * decoder would need too much memory, and where the general coding makes fewer bytes. Memory: that of planElf.
 */
export async function encodeFilePart(
  work: FilePartWork,
  put: (bytes: Buffer) => void,
): Promise<EncodedFilePart | undefined> {
  const { old, text, level, lengths } = work;
  const plan = planElf(old, text);
  if (plan === undefined || layerMemoryNeeded(blockLimit, lengths, plan.tables) > memoryLimit) return undefined;
  const head = new ByteWriter(32);
  head.byte(elfPart);
  for (const value of [text.size, work.position, old.size]) head.uvarint(value);
  let size = head.length;
  const held: Buffer[] = [Buffer.from(head.view())];
  const putHeld = () => {
    for (const bytes of held.splice(0)) put(bytes);
  };
  for await (const block of encodeElf(plan, old, text, level, new BlockSizer(blockLimit), () => {})) {
    size += block.length;
    held.push(block);
    if (size > trialLimit) putHeld();
  }
  if (size <= trialLimit && (await generalSize(old, text, level, size)) < size + partCost) return undefined;
  putHeld();
  return { tables: plan.tables };
}
