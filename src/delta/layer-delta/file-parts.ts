import { closeSync, openSync, rmSync } from 'node:fs';
import { mebibyte } from '../codec/format.ts';
import { partOf, readAll, writeAll, type RandomAccess } from '../source-spool.ts';
import { arePrograms, encodeFilePart, type EncodedFilePart, type FilePartWork } from './encode-file-part.ts';
import type { EntrySources } from './find-sources.ts';
import type { ListLengths } from './format.ts';
import type { OldBytes } from './old-bytes.ts';
import type { FilePartJob, FileSlice } from './part-thread.ts';
import { fitsThreads, type PartThreads } from './part-threads.ts';
import type { BlockKind } from './shared-streams.ts';

/** A file that is coded by what it is, apart from what is around it. */
export interface FilePart extends EncodedFilePart {
  /** Number of its entry. */
  entry: number;
  /** Where it stands among all file parts, and its bytes. */
  start: number;
  size: number;
}

/** File parts that were coded, in a temporary file. */
export interface FileParts {
  /** In order of their entries. */
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
  /** Whether members of an entry are unpacked: then it is none of these files. */
  isExpanded: (entry: number) => boolean;
  level: number;
  lengths: ListLengths;
  threads: PartThreads;
  onBytes: (bytes: number) => void;
}

interface Candidate extends FilePartWork {
  entry: number;
}

/**
 * Codes the models among entries of `tar`, and the ELF files that have an old ELF file of the same machine; what comes out doesn't
 * depend on the threads. Memory: as for one pair of files, or what threads may take together.
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
    if (part !== undefined) parts.push({ entry: candidate.entry, start: end - size, size, ...part });
    // What was begun and is none of these files is taken back.
    else end -= size;
  };
  try {
    const beside = besideOthers(entries, work);
    await Promise.all(beside.map((candidate) => encode(candidate, true)));
    const coded = new Set(beside.map(({ entry }) => entry));
    for (const [number, sources] of entries.entries()) {
      const candidate = coded.has(number) ? undefined : candidateOf(sources, number, work);
      if (candidate !== undefined) await encode(candidate, false);
    }
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

/** Undefined where it is none of these files by what is known of it. */
function candidateOf(
  { entry, content }: EntrySources,
  number: number,
  { tar, old, isExpanded, level, lengths, onBytes }: Work,
): Candidate | undefined {
  if (content.kind === 'same' || !entry.plain || isExpanded(number)) return undefined;
  const text = partOf(tar, entry.contentStart, entry.size);
  const common = { entry: number, text, level, lengths, onBytes };
  if (content.kind === 'none') return { ...common, old: undefined };
  const position = old.places.at(content.old.layer, content.old.contentStart);
  return { ...common, old: { file: old.contents(content.old), position } };
}

/** Those that threads may code, the largest first: none is left over then that one thread codes while the others wait. */
function besideOthers(entries: readonly EntrySources[], work: Work): Candidate[] {
  const fit: Candidate[] = [];
  for (const [number, sources] of entries.entries()) {
    const candidate = sources.content.kind === 'similar' ? candidateOf(sources, number, work) : undefined;
    if (candidate?.old?.file.place === undefined || candidate.text.place === undefined) continue;
    if (fitsThreads(candidate.old.file, candidate.text) && arePrograms(candidate)) fit.push(candidate);
  }
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
