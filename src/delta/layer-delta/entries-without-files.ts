import { alignedPieces, generalWindows, type Piece } from '../codec/general-encoder.ts';
import type { LocatedEntry } from '../locate-entries.ts';
import { partOf, type RandomAccess } from '../source-spool.ts';
import { SegmentedFile, type Segment } from './segments.ts';

/** A file within the contents of an entry that is coded apart, in bytes from where these begin. */
export interface Stretch {
  start: number;
  size: number;
}

/**
 * Contents as they are compared with old ones: without the files within them that are coded apart, and yet as one. Memory: of
 * the last entry that was asked for.
 */
export class EntriesWithoutFiles {
  readonly #tar: RandomAccess;
  readonly #codedApart: ReadonlyMap<number, readonly Stretch[]>;
  #begun: { number: number; reader: PieceReader } | undefined;

  /** `codedApart`: by number of entry, in their order. */
  constructor(tar: RandomAccess, codedApart: ReadonlyMap<number, readonly Stretch[]>) {
    this.#tar = tar;
    this.#codedApart = codedApart;
  }

  /**
   * What makes the next stretch of an entry, from `from` of the tar on, out of `old`: the rest of it, up to a file that is coded
   * apart. All stretches of an entry are asked for before another one's.
   */
  pieces(number: number, entry: LocatedEntry, old: RandomAccess, from: number, size: number): AsyncGenerator<Piece[]> {
    if (this.#begun?.number === number) return this.#begun.reader.take(size);
    this.#begun = undefined;
    const stretches = this.#codedApart.get(number);
    if (stretches === undefined) return alignedPieces(old, partOf(this.#tar, from, size), generalWindows);
    const rest = withoutStretches(partOf(this.#tar, entry.contentStart, entry.size), stretches);
    const reader = new PieceReader(alignedPieces(old, rest, generalWindows));
    this.#begun = { number, reader };
    return reader.take(size);
  }
}

function withoutStretches(file: RandomAccess, stretches: readonly Stretch[]): RandomAccess {
  const segments: Segment[] = [];
  let end = 0;
  for (const { start, size } of stretches) {
    segments.push({ file, start: end, size: start - end });
    end = start + size;
  }
  return new SegmentedFile([...segments, { file, start: end, size: file.size - end }]);
}

/** Hands pieces out by the bytes that they make. */
class PieceReader {
  readonly #source: AsyncGenerator<Piece[]>;
  #held: Piece[] = [];

  constructor(source: AsyncGenerator<Piece[]>) {
    this.#source = source;
  }

  async *take(size: number): AsyncGenerator<Piece[]> {
    for (let left = size; left > 0;) {
      const pieces = this.#held.length > 0 ? this.#held : ((await this.#source.next()).value as Piece[]);
      const taken: Piece[] = [];
      this.#held = [];
      for (const piece of pieces) {
        const bytes = sizeOf(piece);
        const first = Math.min(left, bytes);
        if (first > 0) taken.push(sliced(piece, 0, first));
        if (first < bytes) this.#held.push(sliced(piece, first, bytes));
        left -= first;
      }
      yield taken;
    }
  }
}

function sizeOf(piece: Piece): number {
  return piece.kind === 'same' ? piece.size : piece.bytes.length;
}

function sliced(piece: Piece, from: number, to: number): Piece {
  if (piece.kind === 'insert') return { ...piece, bytes: piece.bytes.subarray(from, to) };
  const position = piece.position + from;
  if (piece.kind === 'same') return { ...piece, position, size: to - from };
  return { ...piece, position, bytes: piece.bytes.subarray(from, to), source: piece.source.subarray(from, to) };
}
