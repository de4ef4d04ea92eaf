import { BlockSizer } from '../codec/block-sizer.ts';
import { ByteWriter } from '../codec/bytes.ts';
import { encodeElf, planElf } from '../codec/elf/elf-encoder.ts';
import { machineOf } from '../codec/elf/image.ts';
import { blockLimit, memoryLimit, type ElfTables } from '../codec/format.ts';
import type { RandomAccess } from '../source-spool.ts';
import { elfPart, layerMemoryNeeded, type LayerDeltaVersion, type ListLengths } from './format.ts';
import { generalSize } from './general-size.ts';
import { encodePlanesPart } from './planes-part.ts';

/** A file that is to be coded by what it is, apart from what is around it. */
export interface FilePartWork {
  text: RandomAccess;
  old: OldFile | undefined;
  /** zstd's. */
  level: number;
  /** What a decoder keeps beside the tables of the part. */
  lengths: ListLengths;
  /** Bytes of a model that were coded since the last call; it may throw to end the work. */
  onBytes: (bytes: number) => void;
}

/** The file that another one resembles. */
export interface OldFile {
  file: RandomAccess;
  /** In the old file of the layer delta. */
  position: number;
}

/** What a part tells beside its bytes; it goes from thread to thread as it is. */
export interface EncodedFilePart {
  /** Of programs alone. */
  tables?: ElfTables;
  /** Of the format that has its coding. */
  version: LayerDeltaVersion;
}

/**
 * A part ends the blocks around it, and what it says about its file costs some hundred bytes: one that is no larger than
 * the first figure is compared with what the general coding makes of the same file, and has the second one against it.
 */
const trialLimit = 8 * 1024;
const partCost = 80;
const nothing: RandomAccess = { size: 0, read() {} };

/**
 * Codes a model, or an ELF file that has an old ELF file of the same machine, and passes the bytes of its part on to `put`.
 * Undefined, with nothing put out, where the files are not what they seem, where a decoder would need too much memory, and
 * where the general coding makes fewer bytes. Memory: as for one pair of files.
 */
export async function encodeFilePart(
  work: FilePartWork,
  put: (bytes: Buffer) => void,
): Promise<EncodedFilePart | undefined> {
  const { old, text, level } = work;
  const held: Buffer[] = [];
  let size = 0;
  const putHeld = () => {
    for (const bytes of held.splice(0)) put(bytes);
  };
  const coded = await encodePart(work, (bytes) => {
    size += bytes.length;
    held.push(bytes);
    if (size > trialLimit) putHeld();
  });
  if (coded === undefined) return undefined;
  if (size <= trialLimit && (await generalSize(old?.file ?? nothing, text, level, size)) < size + partCost) {
    return undefined;
  }
  putHeld();
  return coded;
}

/** Whether both are programs, of one machine. */
export function arePrograms({ old, text }: Pick<FilePartWork, 'old' | 'text'>): boolean {
  const machine = machineOf(text);
  return machine !== undefined && old !== undefined && machineOf(old.file) === machine;
}

async function encodePart(
  { text, old, level, lengths, onBytes }: FilePartWork,
  put: (bytes: Buffer) => void,
): Promise<EncodedFilePart | undefined> {
  const machine = old === undefined ? undefined : machineOf(text);
  if (old === undefined || machine === undefined) {
    return (await encodePlanesPart(text, old, level, onBytes, put)) ? { version: 3 } : undefined;
  }
  if (machine !== machineOf(old.file)) return undefined;
  const plan = planElf(old.file, text);
  if (plan === undefined || layerMemoryNeeded(blockLimit, lengths, plan.tables) > memoryLimit) return undefined;
  const head = new ByteWriter(32);
  head.byte(elfPart);
  for (const value of [text.size, old.position, old.file.size]) head.uvarint(value);
  put(Buffer.from(head.view()));
  for await (const block of encodeElf(plan, old.file, text, level, new BlockSizer(blockLimit), () => {})) put(block);
  return { version: 1, tables: plan.tables };
}
