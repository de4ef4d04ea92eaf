import { alignedParts, type EncodeWindows } from '../encode-file.ts';
import type { RandomAccess } from '../source-spool.ts';
import { packerAt, sizeOf, streamWriters, type BlockPacker } from './block.ts';
import { BlockSizer } from './block-sizer.ts';
import { DifferenceEncoder } from './differences.ts';
import { blockTarget, generalStreams, mebibyte, pieceLimit } from './format.ts';

/** Parts of the old and the new file that are looked at together: with these, 750 MiB were measured at most. */
export const generalWindows: EncodeWindows = { old: 96 * mebibyte, new: 48 * mebibyte };

/** What comes next in the new file. */
export type Piece = {
  /** Whom its bytes are charged to; whatever the caller counts by. */
  owner?: number;
} & (
  | { kind: 'insert'; bytes: Uint8Array }
  /** `bytes`, which are nearly like `source`, as many bytes that stand at `position` in the old file. */
  | { kind: 'copy'; position: number; bytes: Uint8Array; source: Uint8Array; joins?: boolean }
  /** So many bytes that stand at `position` in the old file. */
  | { kind: 'same'; position: number; size: number; joins?: boolean }
);

export interface GeneralOptions {
  level: number;
  /** Packs at that level unless said otherwise. */
  pack?: BlockPacker;
  sizer: BlockSizer;
  /** Bytes of the new file that were coded since the last call; it may throw to end the work. */
  onBytes: (bytes: number) => void;
  /** Called for each block: its bytes, shared out among the owners of its pieces by what they put into its streams, but for zeros. */
  onShares?: (shares: ReadonlyMap<number | undefined, number>) => void;
}

/** Yields the blocks of `text` out of `old`: for any bytes, of any size. */
export async function* encodeGeneral(
  old: RandomAccess,
  text: RandomAccess,
  level: number,
  sizer: BlockSizer,
  onBytes: (bytes: number) => void,
  windows: EncodeWindows,
): AsyncGenerator<Buffer> {
  yield* encodePieces(alignedPieces(old, text, windows), { level, sizer, onBytes });
}

/** What makes `text` out of `old`. `position` of the pieces counts from where `old` begins. */
export async function* alignedPieces(
  old: RandomAccess,
  text: RandomAccess,
  windows: EncodeWindows,
): AsyncGenerator<Piece[]> {
  for await (const { bytes, pieces } of alignedParts(old, text, windows)) {
    const found: Piece[] = [];
    let done = 0;
    for (const { start, position, source } of pieces) {
      if (start > done) found.push({ kind: 'insert', bytes: bytes.subarray(done, start) });
      done = start + source.length;
      found.push({ kind: 'copy', position, bytes: bytes.subarray(start, done), source });
    }
    if (done < bytes.length) found.push({ kind: 'insert', bytes: bytes.subarray(done) });
    yield found;
  }
}

/**
 * Yields the blocks that pieces make, whoever found them. A piece that `joins` makes one copy with the one before where it
 * goes on at its end.
 */
export async function* encodePieces(
  batches: AsyncIterable<readonly Piece[]>,
  { level, pack = packerAt(level), sizer, onBytes, onShares }: GeneralOptions,
): AsyncGenerator<Buffer> {
  const streams = streamWriters(generalStreams);
  const differences = new DifferenceEncoder(streams);
  /** Where the last copy ended in the old file. */
  let position = 0;
  /** Bytes of the last copy, and where that number stands; 0 when nothing may join it. */
  let copied = 0;
  let copiedAt = 0;
  let inserted = 0;
  let shares = new Map<number | undefined, number>();

  const insert = (bytes: Uint8Array) => {
    streams.data.put(bytes);
    inserted += bytes.length;
    sizer.add(bytes.length);
  };
  /** Returns how many of `size` bytes go into this copy. */
  const copy = (from: number, size: number, joins: boolean): number => {
    const going = joins && copied > 0 && inserted === 0 && from === position && copied < pieceLimit;
    const taken = Math.min(size, pieceLimit - (going ? copied : 0));
    if (going) streams.copy.length = copiedAt;
    else {
      streams.insert.uvarint(inserted);
      streams.seek.svarint(from - position);
      copied = 0;
      copiedAt = streams.copy.length;
    }
    copied += taken;
    streams.copy.uvarint(copied);
    position = from + taken;
    inserted = 0;
    sizer.add(taken);
    return taken;
  };
  const close = async () => {
    if (inserted > 0) streams.insert.uvarint(inserted);
    inserted = 0;
    position = 0;
    copied = 0;
    differences.reset();
    const block = sizer.close(sizeOf(generalStreams, streams), await pack(generalStreams, streams));
    if (onShares !== undefined) {
      onShares(scaled(shares, block.length));
      shares = new Map();
    }
    return block;
  };
  const full = () => sizeOf(generalStreams, streams) >= blockTarget;

  for await (const pieces of batches) {
    let size = 0;
    for (const piece of pieces) {
      const length = piece.kind === 'same' ? piece.size : piece.bytes.length;
      for (let done = 0; done < length;) {
        if (piece.kind === 'insert') {
          const part = piece.bytes.subarray(done, done + pieceLimit);
          insert(part);
          done += part.length;
          if (onShares !== undefined) charge(shares, piece.owner, notZero(part));
        } else {
          const before = onShares === undefined ? 0 : sizeOf(generalStreams, streams);
          const taken = copy(piece.position + done, Math.min(pieceLimit, length - done), piece.joins === true);
          if (piece.kind === 'same') differences.equal(taken);
          else differences.put(piece.bytes, done, piece.source, done, taken);
          done += taken;
          if (onShares !== undefined) charge(shares, piece.owner, sizeOf(generalStreams, streams) - before);
        }
        if (full()) yield await close();
      }
      size += length;
    }
    onBytes(size);
  }
  if (sizer.open > 0) yield await close();
}

/** Zeros cost next to nothing: padding, and most of a header. */
function notZero(bytes: Uint8Array): number {
  let count = 0;
  for (const byte of bytes) if (byte !== 0) count++;
  return count;
}

function charge(shares: Map<number | undefined, number>, owner: number | undefined, bytes: number): void {
  if (bytes > 0) shares.set(owner, (shares.get(owner) ?? 0) + bytes);
}

/** The same shares of another sum. */
function scaled(shares: ReadonlyMap<number | undefined, number>, sum: number): Map<number | undefined, number> {
  let total = 0;
  for (const share of shares.values()) total += share;
  return new Map([...shares].map(([owner, share]) => [owner, (share * sum) / total]));
}
