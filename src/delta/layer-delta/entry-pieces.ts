import type { Piece } from '../codec/general-encoder.ts';
import { mebibyte, pieceLimit } from '../codec/format.ts';
import type { RandomAccess } from '../source-spool.ts';
import { blockSize } from '../../tar/header.ts';
import type { LocatedEntry } from '../locate-entries.ts';
import type { EntriesWithoutFiles } from './entries-without-files.ts';
import type { ExpandedSources } from './expanded-layer.ts';
import type { EntrySources } from './find-sources.ts';
import { blankHeader } from './header-list.ts';
import type { HeaderPlan, ListedHeader } from './plan-headers.ts';
import type { OldBytes, OldContents } from './old-bytes.ts';

/** Pieces that go on together: so many, or this many bytes. */
const batchPieces = 512;
const batchBytes = 4 * mebibyte;

/** Is told how an entry differs from what it was compared with. */
export interface EntryComparison {
  header(entry: number, isSame: boolean): void;
  /** Bytes of its contents that are others; called for contents that resemble old ones, as they come. */
  contents(entry: number, differing: number): void;
}

/**
 * What makes a part of the new tar, from `from` to `to`, out of the old file. `entries`: those whose headers end within it,
 * in order, the first one may have begun before; `first` is the number of that, by which bytes are charged. `listed`: the headers
 * that a decoder completes.
 */
export async function* entryPieces(
  tar: RandomAccess,
  old: OldBytes,
  entries: readonly ExpandedSources[],
  first: number,
  from: number,
  to: number,
  listed: HeaderPlan,
  withoutFiles: EntriesWithoutFiles,
  seen: EntryComparison,
): AsyncGenerator<Piece[]> {
  let batch: Piece[] = [];
  let bytes = 0;
  let done = from;
  const read = (end: number): Buffer => {
    const found = Buffer.allocUnsafe(end - done);
    tar.read(done, found.length, found);
    bytes += found.length;
    done = end;
    return found;
  };
  const take = () => {
    const pieces = batch;
    batch = [];
    bytes = 0;
    return pieces;
  };
  const full = () => batch.length >= batchPieces || bytes >= batchBytes;
  async function* insert(end: number, owner: number | undefined): AsyncGenerator<Piece[]> {
    for (let at = done; at < end; at += pieceLimit) {
      batch.push({ kind: 'insert', bytes: read(Math.min(end, at + pieceLimit)), ...ownedBy(owner) });
      if (full()) yield take();
    }
  }

  for (const [at, sources] of entries.entries()) {
    const { entry, content } = sources;
    const owner = first + at;
    if (done <= entry.contentStart) {
      const padding = entry.start - done;
      // A gap that no padding explains is a tar that only its writer understands.
      if (padding >= blockSize) yield* insert(entry.start - (entry.start % blockSize), owner);
      const bytesBefore = read(entry.contentStart);
      const headers = headerPieces(bytesBefore, entry, sources, old, owner, listed.of(owner));
      seen.header(owner, headers.isSame);
      batch.push(...headers.pieces);
    }
    const end = Math.min(to, entry.contentStart + entry.size);
    if (content.kind === 'same' && end > done) {
      const position = old.places.at(content.old.layer, content.old.contentStart);
      batch.push({ kind: 'same', position, size: end - done, joins: true, owner });
      done = end;
    } else if (content.kind === 'similar' && end > done) {
      if (batch.length > 0) yield take();
      const source = old.expanded(content.old, sources.oldMembers ?? []);
      for await (const pieces of withoutFiles.pieces(owner, entry, source.bytes, done, end - done)) {
        seen.contents(
          owner,
          pieces.reduce((sum, piece) => sum + differing(piece), 0),
        );
        yield pieces.flatMap((piece) => placedPieces(piece, source, owner));
      }
      done = end;
    } else yield* insert(end, owner);
    if (full()) yield take();
  }
  yield* insert(to, undefined);
  if (batch.length > 0) yield take();
}

/** With its places in the old file. */
function placedPieces(piece: Piece, source: OldContents, owner: number): Piece[] {
  if (piece.kind !== 'copy') return [{ ...piece, owner }];
  return Array.from(source.places(piece.position, piece.bytes.length), ({ place, done, size }) => ({
    kind: 'copy',
    position: place,
    bytes: piece.bytes.subarray(done, done + size),
    source: piece.source.subarray(done, done + size),
    joins: true,
    owner,
  }));
}

const ownedBy = (owner: number | undefined) => (owner === undefined ? {} : { owner });

function differing(piece: Piece): number {
  if (piece.kind !== 'copy') return piece.kind === 'insert' ? piece.bytes.length : 0;
  let count = 0;
  for (let at = 0; at < piece.bytes.length; at++) if (piece.bytes[at] !== piece.source[at]) count++;
  return count;
}

/** `bytes`: padding and headers, which begin at `start`, up to the contents. What a decoder completes of them is altered. */
function headerPieces(
  bytes: Buffer,
  { start, contentStart }: LocatedEntry,
  { header }: EntrySources,
  old: OldBytes,
  owner: number,
  listed: readonly ListedHeader[],
): { pieces: Piece[]; isSame: boolean } {
  const size = contentStart - start;
  const first = bytes.length - size;
  const blank = (from: number, to: number, other: Uint8Array | undefined) => {
    for (const { block, mode } of listed) {
      const at = first + block * blockSize;
      if (at >= from && at < to) blankHeader(bytes.subarray(at, at + blockSize), mode, other?.subarray(at - from));
    }
  };
  if (header === undefined) {
    blank(first, bytes.length, undefined);
    return { pieces: [{ kind: 'insert', bytes, owner }], isSame: false };
  }
  const { bytes: source, position } = old.headers(header);
  const oldSize = header.contentStart - header.start;
  const pieces: Piece[] = [];
  let isSame = true;
  let done = 0;
  const copy = (from: number, to: number, sourceAt: number) => {
    let begin = from;
    let sourceBegin = sourceAt;
    // What is before the headers is padding, here and there.
    while (begin > done && sourceBegin > 0 && bytes[begin - 1] === source[sourceBegin - 1]) {
      begin--;
      sourceBegin--;
    }
    const resembled = source.subarray(sourceBegin, sourceBegin + to - begin);
    isSame &&= begin === done && Buffer.compare(bytes.subarray(begin, to), resembled) === 0;
    blank(done, from, undefined);
    blank(from, to, source.subarray(sourceAt));
    if (begin > done) pieces.push({ kind: 'insert', bytes: bytes.subarray(done, begin), owner });
    const like = { position: position + sourceBegin, bytes: bytes.subarray(begin, to), source: resembled };
    pieces.push({ kind: 'copy', ...like, joins: true, owner });
    done = to;
  };
  const extension = Math.min(size, oldSize) - blockSize;
  if (size === oldSize) copy(first, bytes.length, header.before);
  else {
    // One of them has no long name or pax records, or shorter ones: their last blocks are alike.
    if (extension > 0) copy(first, first + extension, header.before);
    copy(bytes.length - blockSize, bytes.length, source.length - blockSize);
  }
  return { pieces, isSame };
}
