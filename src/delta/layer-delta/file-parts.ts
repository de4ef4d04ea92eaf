import { closeSync, openSync, rmSync } from 'node:fs';
import { machineOf } from '../codec/elf/image.ts';
import { mebibyte, type ElfTables } from '../codec/format.ts';
import { partOf, readAll, writeAll, type RandomAccess } from '../source-spool.ts';
import { encodeFilePart, type FilePartWork } from './encode-file-part.ts';
import type { EntrySources } from './find-sources.ts';
import type { ListLengths } from './format.ts';
import type { OldBytes } from './old-bytes.ts';
import type { FilePartJob, FileSlice } from './part-thread.ts';
import { fitsThreads, type PartThreads } from './part-threads.ts';

/** A file that is coded by what it is, apart from what is around it. */
export interface FilePart {
  /** Number of its entry. */
  entry: number;
  /** Where it stands among all file parts, and its bytes. */
  start: number;
  size: number;
  tables: ElfTables;
}

/** File parts that were coded, in a temporary file. */
export interface FileParts {
  /** In order of their entries. */
  parts: FilePart[];
  read(part: FilePart): Generator<Buffer>;
  close(): void;
}

const copySize = 256 * 1024;
/** Below this, in bytes of new files, threads take longer to start than the work. */
const worthThreads = 4 * mebibyte;

interface Work {
  tar: RandomAccess;
  old: OldBytes;
  level: number;
  lengths: ListLengths;
  threads: PartThreads;
  onBytes: (bytes: number) => void;
}

interface Candidate extends FilePartWork {
  entry: number;
}

/**
 * Codes the ELF files among entries of `tar` that have an old ELF file of the same machine; what comes out doesn't depend on the
 * threads. Memory: as for one pair of files, or what threads may take together.
 */
export async function encodeFileParts(entries: readonly EntrySources[], path: string, work: Work): Promise<FileParts> {
  const { threads, onBytes } = work;
  const file = openSync(path, 'wx+', 0o600);
  let isClosed = false;
  const close = () => {
    isClosed = true;
    closeSync(file);
    rmSync(path, { force: true });
  };
  const parts: FilePart[] = [];
  let end = 0;
  const encode = async (candidate: Candidate, inThread: boolean): Promise<void> => {
    const { entry, text } = candidate;
    // All bytes of a part come one after the other.
    let size = 0;
    const put = (bytes: Buffer) => {
      // What a thread still sends after another one has failed.
      if (isClosed) return;
      writeAll(file, bytes, end);
      end += bytes.length;
      size += bytes.length;
    };
    const part = await (inThread ? threads.code(jobOf(candidate), put) : encodeFilePart(candidate, put));
    if (part === undefined) return;
    onBytes(text.size);
    parts.push({ entry, start: end - size, size, ...part });
  };
  try {
    const candidates = candidatesOf(entries, work);
    const beside = besideOthers(candidates);
    await Promise.all(beside.map((candidate) => encode(candidate, true)));
    const coded = new Set(beside);
    for (const candidate of candidates) if (!coded.has(candidate)) await encode(candidate, false);
  } catch (error) {
    close();
    throw error;
  }
  return {
    parts: parts.toSorted((a, b) => a.entry - b.entry),
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

function candidatesOf(entries: readonly EntrySources[], { tar, old, level, lengths }: Work): Candidate[] {
  return entries.flatMap(({ entry, content }, number) => {
    if (content.kind !== 'similar') return [];
    const text = partOf(tar, entry.contentStart, entry.size);
    const before = old.contents(content.old);
    const machine = machineOf(text);
    if (machine === undefined || machine !== machineOf(before)) return [];
    const position = old.places.at(content.old.layer, content.old.contentStart);
    return [{ entry: number, old: before, text, position, level, lengths }];
  });
}

/** Those that threads may code, the largest first: none is left over then that one thread codes while the others wait. */
function besideOthers(candidates: readonly Candidate[]): Candidate[] {
  const fit = candidates.filter(
    (each) => fitsThreads(each) && each.old.place !== undefined && each.text.place !== undefined,
  );
  const size = fit.reduce((sum, { text }) => sum + text.size, 0);
  return fit.length > 1 && size >= worthThreads ? fit.toSorted((a, b) => b.text.size - a.text.size) : [];
}

function jobOf({ old, text, position, level, lengths }: Candidate): FilePartJob {
  return { old: sliceOf(old), text: sliceOf(text), position, level, lengths };
}

function sliceOf({ place, size }: RandomAccess): FileSlice {
  if (place === undefined) throw new TypeError('bytes for another thread that are not on disk');
  return { ...place, size };
}
