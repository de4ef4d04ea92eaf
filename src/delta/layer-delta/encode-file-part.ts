import { isMainThread } from 'node:worker_threads';
import { elfPackerAt } from '../codec/block.ts';
import { BlockSizer } from '../codec/block-sizer.ts';
import { ByteWriter } from '../codec/bytes.ts';
import { encodeElf } from '../codec/elf/elf-encoder.ts';
import { machineOf } from '../codec/elf/image.ts';
import { planElf, type ElfPlan } from '../codec/elf/plan.ts';
import { blockLimit, mebibyte, memoryLimit, type ElfTables } from '../codec/format.ts';
import type { RandomAccess } from '../source-spool.ts';
import { packed, streamTaker } from './block-group.ts';
import { elfPart, layerMemoryNeeded, type LayerDeltaVersion, type ListLengths } from './format.ts';
import { generalSize } from './general-size.ts';
import { encodePlanesPart } from './planes-part.ts';
import { sharingBlocks, type BlockKind } from './shared-streams.ts';

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
  /** Of a small program, which is not packed: what stands before its blocks, and these. */
  unpacked?: { head: Uint8Array; blocks: StoredBlock[] };
}

/** A block whose streams lie one after the other; `head` stands before its table. */
interface StoredBlock {
  kind: BlockKind;
  head: Uint8Array;
  sizes: number[];
}

/**
 * A part ends the blocks around it, and what it says about its file costs some hundred bytes: one that is no larger than
 * the first figure is compared with what the general coding makes of the same file, and has the second one against it.
 */
const trialLimit = 8 * 1024;
const partCost = 80;
/** Files up to this size are packed together with others, in bytes; and what they are compared by is packed up to this one. */
const smallFile = 4 * mebibyte;
const unpackedTrial = 128 * 1024;
const nothing: RandomAccess = { size: 0, read() {} };

/**
 * Codes a model, or an ELF file that has an old ELF file of the same machine, and passes the bytes of its part on to `put`.
 * Undefined where the files are not what they seem, where a decoder would need too much memory, and where the general coding
 * makes fewer bytes: what was put out then does not count. Memory: as for one pair of files.
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
  const { packedSize = size, ...part } = coded;
  if (
    packedSize <= trialLimit &&
    (await generalSize(old?.file ?? nothing, text, level, packedSize)) < packedSize + partCost
  ) {
    return undefined;
  }
  putHeld();
  return part;
}

/** Whether both are programs, of one machine. */
export function arePrograms({ old, text }: Pick<FilePartWork, 'old' | 'text'>): boolean {
  const machine = machineOf(text);
  return machine !== undefined && old !== undefined && machineOf(old.file) === machine;
}

/** `packedSize` in bytes, of what is not packed; Infinity where it is not known, and more than what is compared. */
type CodedPart = EncodedFilePart & { packedSize?: number };

async function encodePart(
  { text, old, level, lengths, onBytes }: FilePartWork,
  put: (bytes: Buffer) => void,
): Promise<CodedPart | undefined> {
  if (old === undefined || machineOf(text) === undefined) {
    return (await encodePlanesPart(text, old, level, onBytes, put)) ? { version: 3 } : undefined;
  }
  if (!arePrograms({ text, old })) return undefined;
  const plan = await planElf(old.file, text, isMainThread);
  if (plan === undefined || layerMemoryNeeded(blockLimit, lengths, plan.tables) > memoryLimit) return undefined;
  const writer = new ByteWriter(32);
  writer.byte(elfPart);
  for (const value of [text.size, old.position, old.file.size]) writer.uvarint(value);
  const head = Buffer.from(writer.view());
  const coded = { version: 1, tables: plan.tables } as const;
  if (text.size <= smallFile) return { ...coded, ...(await encodeUnpacked(plan, old.file, text, head, level, put)) };
  put(head);
  const blocks = encodeElf(plan, old.file, text, elfPackerAt(level), new BlockSizer(blockLimit), () => {});
  for await (const block of blocks) put(block);
  return coded;
}

/** Puts streams out as they are. */
async function encodeUnpacked(
  plan: ElfPlan,
  old: RandomAccess,
  text: RandomAccess,
  head: Buffer,
  level: number,
  put: (bytes: Buffer) => void,
): Promise<Required<Pick<CodedPart, 'packedSize' | 'unpacked'>>> {
  let taken: Buffer[] = [];
  const pack = streamTaker((streams) => (taken = streams));
  const blocks: { kind: BlockKind; head: Buffer; streams: Buffer[] }[] = [];
  let size = head.length;
  for await (const before of encodeElf(plan, old, text, pack, new BlockSizer(blockLimit), () => {})) {
    blocks.push({ kind: blocks.length === 0 ? 'prelude' : 'elf', head: before, streams: taken });
    for (const stream of taken) put(stream);
    size += taken.reduce((sum, { length }) => sum + length, before.length);
  }
  let packedSize = Infinity;
  if (size <= unpackedTrial) {
    packedSize = head.length;
    for (const { kind, head: before, streams } of blocks) {
      packedSize += before.length + (await packed(sharingBlocks[kind], streams, level)).length;
    }
  }
  const stored = blocks.map(({ streams, ...block }) => ({ ...block, sizes: streams.map(({ length }) => length) }));
  return { packedSize, unpacked: { head, blocks: stored } };
}
