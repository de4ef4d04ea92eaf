import { closeSync, openSync, rmSync } from 'node:fs';
import { BlockSizer } from '../codec/block-sizer.ts';
import { ByteWriter } from '../codec/bytes.ts';
import { encodeElf, planElf } from '../codec/elf/elf-encoder.ts';
import { machineOf } from '../codec/elf/image.ts';
import { blockLimit, type ElfTables } from '../codec/format.ts';
import { partOf, readAll, writeAll, type RandomAccess } from '../source-spool.ts';
import type { OldEntry } from '../old-tree.ts';
import type { EntrySources } from './find-sources.ts';
import { elfPart, type LayerDeltaVersion } from './format.ts';
import { generalSize } from './general-size.ts';
import type { OldBytes } from './old-bytes.ts';
import { encodePlanesPart } from './planes-part.ts';

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
}

/** File parts that were coded, in a temporary file. */
export interface FileParts {
  parts: FilePart[];
  read(part: FilePart): Generator<Buffer>;
  close(): void;
}

/**
 * A part ends the blocks around it, and what it says about its file costs some hundred bytes: one that is no larger than
 * the first figure is compared with what the general coding makes of the same file, and has the second one against it.
 */
const trialLimit = 8 * 1024;
const partCost = 80;
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
      if (coded !== undefined && end - start <= trialLimit) {
        const general = await generalSize(old?.file ?? nothing, text, work.level, end - start);
        if (general < end - start + partCost) end = start;
      }
      if (coded === undefined || end === start) continue;
      if (coded.version === 1) work.onBytes(entry.size);
      parts.push({ entry: number, start, size: end - start, ...coded });
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

type CodedPart = Pick<FilePart, 'tables' | 'version'>;

/** Undefined where the files are nothing that has a coding: nothing was put out then. */
async function encodePart(
  text: RandomAccess,
  old: OldFile | undefined,
  work: Work,
  put: (bytes: Buffer) => void,
): Promise<CodedPart | undefined> {
  const machine = machineOf(text);
  if (machine === undefined) {
    const isModel = await encodePlanesPart(text, old, work.level, work.onBytes, put);
    return isModel ? { version: 3 } : undefined;
  }
  if (old === undefined || machine !== machineOf(old.file)) return undefined;
  const tables = await encodeElfPart(old, text, work, put);
  return tables && { version: 1, tables };
}

/** Undefined where the files are not what they seem: nothing was put out then. */
async function encodeElfPart(
  { file: old, position }: OldFile,
  text: RandomAccess,
  { level, fits }: Work,
  put: (bytes: Buffer) => void,
): Promise<ElfTables | undefined> {
  const plan = planElf(old, text);
  if (plan === undefined || !fits(plan.tables)) return undefined;
  const head = new ByteWriter(32);
  head.byte(elfPart);
  for (const value of [text.size, position, old.size]) head.uvarint(value);
  put(Buffer.from(head.view()));
  for await (const block of encodeElf(plan, old, text, level, new BlockSizer(blockLimit), () => {})) put(block);
  return plan.tables;
}
