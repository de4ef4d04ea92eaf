import { closeSync, openSync, rmSync } from 'node:fs';
import { packerAt } from '../codec/block.ts';
import { BlockSizer } from '../codec/block-sizer.ts';
import { ByteWriter } from '../codec/bytes.ts';
import { encodeElf, planElf } from '../codec/elf/elf-encoder.ts';
import { machineOf } from '../codec/elf/image.ts';
import { blockLimit, mebibyte, type ElfTables } from '../codec/format.ts';
import { partOf, readAll, writeAll, type RandomAccess } from '../source-spool.ts';
import type { OldEntry } from '../old-tree.ts';
import { packed, streamTaker } from './block-group.ts';
import type { EntrySources } from './find-sources.ts';
import { elfPart, type LayerDeltaVersion } from './format.ts';
import { generalSize } from './general-size.ts';
import type { OldBytes } from './old-bytes.ts';
import { encodePlanesPart } from './planes-part.ts';
import { sharingBlocks, type BlockKind } from './shared-streams.ts';

/** A file that is coded by what it is, apart from what is around it. */
export interface FilePart {
  /** Number of its entry. */
  entry: number;
  /** Where it stands among all file parts, and its bytes. */
  start: number;
  size: number;
  /** Of programs alone. */
  tables?: ElfTables;
  /** Of the format that has its coding. */
  version: LayerDeltaVersion;
  /** Of a small one, which is not packed: what stands before its blocks, and these. */
  unpacked?: { head: Buffer; blocks: StoredBlock[] };
}

/** A block whose streams lie one after the other; `head` stands before its table. */
interface StoredBlock {
  kind: BlockKind;
  head: Buffer;
  sizes: number[];
}

/** File parts that were coded, in a temporary file. */
export interface FileParts {
  parts: FilePart[];
  /** A part that is packed. */
  read(part: FilePart): Generator<Buffer>;
  /** The streams of a block of one that is not. */
  streams(part: FilePart): Generator<{ kind: BlockKind; head: Buffer; streams: Buffer[] }>;
  close(): void;
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
const copySize = 256 * 1024;

interface Work {
  tar: RandomAccess;
  old: OldBytes;
  level: number;
  /** Whether a decoder with so much in its tables has enough memory. */
  fits: (tables: ElfTables) => boolean;
  onBytes: (bytes: number) => void;
}

/** Codes models, and ELF files that have an old ELF file of the same machine. Memory: as for one pair of files. */
export async function encodeFileParts(entries: readonly EntrySources[], path: string, work: Work): Promise<FileParts> {
  const file = openSync(path, 'wx+', 0o600);
  const close = () => {
    closeSync(file);
    rmSync(path, { force: true });
  };
  const parts: FilePart[] = [];
  let end = 0;
  try {
    for (const [number, { entry, content }] of entries.entries()) {
      if (content.kind === 'same' || !entry.plain) continue;
      const text = partOf(work.tar, entry.contentStart, entry.size);
      const old = content.kind === 'none' ? undefined : oldFile(work.old, content.old);
      const start = end;
      const put = (bytes: Buffer) => {
        writeAll(file, bytes, end);
        end += bytes.length;
      };
      const coded = await encodePart(text, old, work, put);
      if (coded === undefined) continue;
      const { packedSize = end - start, ...part } = coded;
      if (packedSize <= trialLimit) {
        const general = await generalSize(old?.file ?? nothing, text, work.level, packedSize);
        if (general < packedSize + partCost) end = start;
      }
      if (end === start) continue;
      if (part.version === 1) work.onBytes(entry.size);
      parts.push({ ...part, entry: number, start, size: end - start });
    }
  } catch (error) {
    close();
    throw error;
  }
  return {
    parts,
    close,
    *read({ start, size }) {
      for (let done = 0; done < size; done += copySize) {
        const piece = Buffer.allocUnsafe(Math.min(copySize, size - done));
        readAll(file, piece, piece.length, start + done);
        yield piece;
      }
    },
    *streams({ start, unpacked }) {
      let place = start;
      for (const { kind, head, sizes } of unpacked?.blocks ?? []) {
        const streams = sizes.map((size) => {
          const stream = Buffer.allocUnsafe(size);
          readAll(file, stream, size, place);
          place += size;
          return stream;
        });
        yield { kind, head, streams };
      }
    },
  };
}

const nothing: RandomAccess = { size: 0, read() {} };

interface OldFile {
  file: RandomAccess;
  /** In the old file of the layer delta. */
  position: number;
}

function oldFile(old: OldBytes, entry: OldEntry): OldFile {
  return { file: old.contents(entry), position: old.places.at(entry.layer, entry.contentStart) };
}

type CodedPart = Pick<FilePart, 'tables' | 'unpacked' | 'version'>;

interface EncodedPart {
  tables: ElfTables;
  /** In bytes; Infinity where it is not known, and more than what is compared. */
  packedSize: number;
  unpacked?: FilePart['unpacked'];
}

/** Undefined where the files are nothing that has a coding: nothing was put out then. */
async function encodePart(
  text: RandomAccess,
  old: OldFile | undefined,
  work: Work,
  put: (bytes: Buffer) => void,
): Promise<(CodedPart & { packedSize?: number }) | undefined> {
  const machine = old === undefined ? undefined : machineOf(text);
  if (old === undefined || machine === undefined) {
    const isModel = await encodePlanesPart(text, old, work.level, work.onBytes, put);
    return isModel ? { version: 3 } : undefined;
  }
  if (machine !== machineOf(old.file)) return undefined;
  const made = await encodeElfPart(old, text, work, put);
  return made && { version: 1, ...made };
}

/** Undefined where the files are not what they seem: nothing was put out then. */
async function encodeElfPart(
  { file: old, position }: OldFile,
  text: RandomAccess,
  { level, fits }: Work,
  put: (bytes: Buffer) => void,
): Promise<EncodedPart | undefined> {
  const plan = planElf(old, text);
  if (plan === undefined || !fits(plan.tables)) return undefined;
  const { tables } = plan;
  const writer = new ByteWriter(32);
  writer.byte(elfPart);
  for (const value of [text.size, position, old.size]) writer.uvarint(value);
  const head = Buffer.from(writer.view());
  const isSmall = text.size <= smallFile;
  let taken: Buffer[] = [];
  const pack = isSmall ? streamTaker((streams) => (taken = streams)) : packerAt(level);
  const blocks: (StoredBlock & { streams: Buffer[] })[] = [];
  let size = head.length;
  if (!isSmall) put(head);
  for await (const block of encodeElf(plan, old, text, pack, new BlockSizer(blockLimit), () => {})) {
    if (isSmall) {
      const kind = blocks.length === 0 ? 'prelude' : 'elf';
      blocks.push({ kind, head: block, sizes: taken.map(({ length }) => length), streams: taken });
      for (const stream of taken) put(stream);
      size += taken.reduce((sum, { length }) => sum + length, block.length);
    } else {
      put(block);
      size += block.length;
    }
  }
  if (!isSmall) return { tables, packedSize: size };
  let packedSize = Infinity;
  if (size <= unpackedTrial) {
    packedSize = head.length;
    for (const { kind, head: before, streams } of blocks) {
      packedSize += before.length + (await packed(sharingBlocks[kind], streams, level)).length;
    }
  }
  const stored = blocks.map(({ kind, head: before, sizes }) => ({ kind, head: before, sizes }));
  return { tables, packedSize, unpacked: { head, blocks: stored } };
}
