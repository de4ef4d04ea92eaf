import { packBlock, sizeOf, streamWriters } from '../codec/block.ts';
import type { BlockSizer } from '../codec/block-sizer.ts';
import { DifferenceEncoder } from '../codec/differences.ts';
import { blockTarget } from '../codec/format.ts';
import { aloneKind, copyKind, planesStreams, planeStreams } from './format.ts';
import { splitDifferences, splitElements } from './planes.ts';
import type { ElementWidth } from './tensor-file.ts';

/** What comes next in the new file: at most `pieceLimit` bytes each. */
export type PlanePiece =
  | { kind: 'insert'; bytes: Uint8Array }
  /** `bytes`, which are nearly like `source`, as many bytes that stand at `position` in the old file. */
  | { kind: 'copy'; position: number; bytes: Uint8Array; source: Uint8Array }
  | { kind: 'same'; position: number; size: number }
  /** Elements that are others, beside those that stand at `position`. */
  | { kind: 'elements'; width: ElementWidth; position: number; bytes: Uint8Array; source: Uint8Array }
  /** Elements that no old ones are compared with. */
  | { kind: 'alone'; width: ElementWidth; bytes: Uint8Array };

/** Yields the blocks that pieces make. */
export async function* encodePlanes(
  pieces: AsyncIterable<PlanePiece>,
  level: number,
  sizer: BlockSizer,
): AsyncGenerator<Buffer> {
  const streams = streamWriters(planesStreams);
  const differences = new DifferenceEncoder(streams);
  /** Where the last copy ended in the old file. */
  let position = 0;
  let inserted = 0;

  const begin = (kind: number, size: number) => {
    streams.insert.uvarint(inserted);
    inserted = 0;
    streams.kind.byte(kind);
    streams.copy.uvarint(size);
    sizer.add(size);
  };
  const seek = (from: number, size: number) => {
    streams.seek.svarint(from - position);
    position = from + size;
  };
  const putPlanes = (width: ElementWidth, size: number, split: (planes: Uint8Array[]) => void) => {
    const planes = planeStreams[width].map(() => Buffer.allocUnsafe(size / width));
    split(planes);
    for (const [number, name] of planeStreams[width].entries()) streams[name].put(planes[number]!);
  };
  const close = async () => {
    if (inserted > 0) streams.insert.uvarint(inserted);
    inserted = 0;
    position = 0;
    differences.reset();
    return sizer.close(sizeOf(planesStreams, streams), await packBlock(planesStreams, streams, level));
  };

  for await (const piece of pieces) {
    if (piece.kind === 'insert') {
      streams.data.put(piece.bytes);
      inserted += piece.bytes.length;
      sizer.add(piece.bytes.length);
    } else if (piece.kind === 'same') {
      begin(copyKind, piece.size);
      seek(piece.position, piece.size);
      differences.equal(piece.size);
    } else if (piece.kind === 'copy') {
      begin(copyKind, piece.bytes.length);
      seek(piece.position, piece.bytes.length);
      differences.put(piece.bytes, 0, piece.source, 0, piece.bytes.length);
    } else if (piece.kind === 'elements') {
      const { width, bytes, source } = piece;
      begin(width, bytes.length);
      seek(piece.position, bytes.length);
      putPlanes(width, bytes.length, (planes) => splitDifferences(bytes, source, width, planes));
    } else {
      const { width, bytes } = piece;
      begin(aloneKind + width, bytes.length);
      putPlanes(width, bytes.length, (planes) => splitElements(bytes, width, planes));
    }
    if (sizeOf(planesStreams, streams) >= blockTarget) yield await close();
  }
  if (sizer.open > 0) yield await close();
}
