import { closeSync, openSync, rmSync } from 'node:fs';
import { mebibyte } from '../codec/format.ts';
import { partOf, readAll, writeAll, type RandomAccess } from '../source-spool.ts';
import { arePrograms, encodeFilePart, type EncodedFilePart, type FilePartWork } from './encode-file-part.ts';
import type { EntrySources } from './find-sources.ts';
import type { ListLengths } from './format.ts';
import type { OldBytes } from './old-bytes.ts';
import type { InnerProgram } from './inner-programs.ts';
import type { FilePartJob, FileSlice } from './part-thread.ts';
import { fitsThreads, type PartThreads } from './part-threads.ts';
import type { BlockKind } from './shared-streams.ts';

/** A file that is coded by what it is, apart from what is around it. */
export interface FilePart extends EncodedFilePart {
  /** Number of its entry. */
  entry: number;
  /** Where it begins in the contents of that, members unpacked, and its bytes. */
  within: number;
  made: number;
  /** Where it stands among all file parts, and its bytes. */
  start: number;
  size: number;
}

/** File parts that were coded, in a temporary file. */
export interface FileParts {
  /** In order of their places in the tar. */
  parts: FilePart[];
  /** A part that is packed. */
  read(part: FilePart): Generator<Buffer>;
  /** The streams of a block of one that is not. */
  streams(part: FilePart): Generator<{ kind: BlockKind; head: Uint8Array; streams: Buffer[] }>;
  close(): void;
}

const copySize = 256 * 1024;
/** Below this, in bytes of new files, threads take longer to start than the work. */
const worthThreads = 4 * mebibyte;

interface Work {
  tar: RandomAccess;
  old: OldBytes;
  /** The programs within an entry whose members are unpacked, which is none of these files itself; undefined for others. */
  inner: (entry: number) => readonly InnerProgram[] | undefined;
  /** What members unpack to. */
  inflated: RandomAccess;
  level: number;
  lengths: ListLengths;
  threads: PartThreads;
  onBytes: (bytes: number) => void;
}

interface Candidate extends FilePartWork {
  entry: number;
  within: number;
}

/**
 * Codes the models among entries of `tar`, and the ELF files that have an old ELF file of the same machine, those within members
 * too; what comes out doesn't depend on the threads. Memory: as for one pair of files, or what threads may take together.
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
    // Of a model they were told as they came.
    if (part?.version === 1) onBytes(candidate.text.size);
    const { entry, within, text } = candidate;
    if (part !== undefined) parts.push({ entry, within, made: text.size, start: end - size, size, ...part });
    // What was begun and is none of these files is taken back.
    else end -= size;
  };
  try {
    const candidates = entries.flatMap((sources, number) => candidatesOf(sources, number, work));
    const beside = besideOthers(candidates);
    await Promise.all(beside.map((candidate) => encode(candidate, true)));
    const coded = new Set(beside);
    for (const candidate of candidates) if (!coded.has(candidate)) await encode(candidate, false);
  } catch (error) {
    close();
    throw error;
  }
  return {
    parts: parts.toSorted((a, b) => a.entry - b.entry || a.within - b.within),
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

/** What of an entry may be one of these files, by what is known of it. */
function candidatesOf(
  { entry, content }: EntrySources,
  number: number,
  { tar, old, inner, inflated, level, lengths, onBytes }: Work,
): Candidate[] {
  if (content.kind === 'same' || !entry.plain) return [];
  const common = { entry: number, level, lengths, onBytes };
  const programs = inner(number);
  if (programs !== undefined) {
    if (content.kind === 'none') return [];
    return programs.map(({ start, size, place, old: from }) => ({
      ...common,
      within: start,
      text: partOf(inflated, place, size),
      old: old.withinMember(content.old, from),
    }));
  }
  const whole = { ...common, within: 0, text: partOf(tar, entry.contentStart, entry.size) };
  if (content.kind === 'none') return [{ ...whole, old: undefined }];
  const position = old.places.at(content.old.layer, content.old.contentStart);
  return [{ ...whole, old: { file: old.contents(content.old), position } }];
}

/** Those that threads may code, the largest first: none is left over then that one thread codes while the others wait. */
function besideOthers(candidates: readonly Candidate[]): Candidate[] {
  const fit = candidates.filter((candidate) => {
    const { old, text } = candidate;
    if (old?.file.place === undefined || text.place === undefined) return false;
    return fitsThreads(old.file, text) && arePrograms(candidate);
  });
  const size = fit.reduce((sum, { text }) => sum + text.size, 0);
  return fit.length > 1 && size >= worthThreads ? fit.toSorted((a, b) => b.text.size - a.text.size) : [];
}

function jobOf({ old, text, level, lengths }: Candidate): FilePartJob {
  return { old: sliceOf(old!.file), position: old!.position, text: sliceOf(text), level, lengths };
}

function sliceOf({ place, size }: RandomAccess): FileSlice {
  if (place === undefined) throw new TypeError('bytes for another thread that are not on disk');
  return { ...place, size };
}
