import { alignedParts, type EncodeWindows } from '../encode-file.ts';
import type { RandomAccess } from '../source-spool.ts';
import { packBlock, sizeOf, streamWriters } from './block.ts';
import { DifferenceEncoder } from './differences.ts';
import { blockTarget, generalStreams, mebibyte, pieceLimit } from './format.ts';
import { BlockSizer } from './block-sizer.ts';

/** Parts of the old and the new file that are looked at together: with these, 750 MiB were measured at most. */
export const generalWindows: EncodeWindows = { old: 96 * mebibyte, new: 48 * mebibyte };

/** Yields the blocks of `text` out of `old`: for any bytes, of any size. */
export async function* encodeGeneral(
  old: RandomAccess,
  text: RandomAccess,
  level: number,
  sizer: BlockSizer,
  onBytes: (bytes: number) => void,
  windows: EncodeWindows,
): AsyncGenerator<Buffer> {
  const streams = streamWriters(generalStreams);
  const differences = new DifferenceEncoder(streams);
  /** Where the last copy ended in the old file. */
  let position = 0;
  let inserted = 0;

  const insert = (bytes: Uint8Array) => {
    streams.data.put(bytes);
    inserted += bytes.length;
    sizer.add(bytes.length);
  };
  const copy = (from: number, bytes: Uint8Array, source: Uint8Array) => {
    streams.insert.uvarint(inserted);
    streams.seek.svarint(from - position);
    streams.copy.uvarint(bytes.length);
    differences.put(bytes, 0, source, 0, bytes.length);
    position = from + bytes.length;
    inserted = 0;
    sizer.add(bytes.length);
  };
  const close = async () => {
    if (inserted > 0) streams.insert.uvarint(inserted);
    inserted = 0;
    position = 0;
    differences.reset();
    return sizer.close(sizeOf(generalStreams, streams), await packBlock(generalStreams, streams, level));
  };
  const full = () => sizeOf(generalStreams, streams) >= blockTarget;

  for await (const { bytes, pieces } of alignedParts(old, text, windows)) {
    let done = 0;
    for (const piece of [...pieces, undefined]) {
      for (const end = piece?.start ?? bytes.length; done < end;) {
        const size = Math.min(pieceLimit, end - done);
        insert(bytes.subarray(done, done + size));
        done += size;
        if (full()) yield await close();
      }
      if (piece === undefined) break;
      for (let at = 0; at < piece.source.length;) {
        const size = Math.min(pieceLimit, piece.source.length - at);
        copy(piece.position + at, bytes.subarray(done, done + size), piece.source.subarray(at, at + size));
        at += size;
        done += size;
        if (full()) yield await close();
      }
    }
    onBytes(bytes.length);
  }
  if (sizer.open > 0) yield await close();
}
