import { zstdCompressSync, constants } from 'node:zlib';
import { streamWriters } from '../codec/block.ts';
import { DifferenceEncoder } from '../codec/differences.ts';
import { pieceLimit } from '../codec/format.ts';
import { alignedPieces, generalWindows, type Piece } from '../codec/general-encoder.ts';
import { SegmentedFile, type Segment } from '../layer-delta/segments.ts';
import type { RandomAccess } from '../source-spool.ts';
import type { PlanePiece } from './encode-planes.ts';
import { planeStreams } from './format.ts';
import { matchTensors, type Model, type TensorSource } from './match-tensors.ts';
import { splitDifferences, splitElements, type Planes } from './planes.ts';
import type { Tensor } from './tensor-file.ts';

/** A tensor's way is chosen by parts of it: so many, of this many bytes each. */
const sampleCount = 4;
const sampleSize = 16 * 1024;
const sampleLevel = 3;

/** What makes a model, out of an old one if there is one. `onBytes` is told how much of it is done; it may throw to end the work. */
export async function* tensorPieces(
  model: Model,
  resembled: Model | undefined,
  onBytes: (bytes: number) => void,
): AsyncGenerator<PlanePiece> {
  const nothing: Model = { format: model.format, file: { size: 0, read() {} }, tensors: [] };
  const { text, old, sources } = matchTensors(resembled ?? nothing, model, () => onBytes(0));
  const rest = new RestPieces(restOf(text), restOf(old));
  let done = 0;
  for (const [at, tensor] of text.tensors.entries()) {
    yield* rest.next(tensor.start - done);
    yield* piecesOf(tensor, text.file, sources[at]!, old.file);
    onBytes(tensor.start + tensor.size - done);
    done = tensor.start + tensor.size;
  }
  yield* rest.next(text.file.size - done);
  onBytes(text.file.size - done);
}

/** What is between tensors. */
function restOf({ file, tensors }: Model): Segment[] {
  const ends = [0, ...tensors.map(({ start, size }) => start + size)];
  return ends.map((start, at) => ({ file, start, size: (tensors[at]?.start ?? file.size) - start }));
}

/** Headers, names, graphs: all of them are aligned with all of the old file's, as any bytes are. */
class RestPieces {
  readonly #old: readonly Segment[];
  readonly #oldFile: SegmentedFile;
  readonly #pieces: AsyncIterator<Piece[]>;
  #batch: Piece[] = [];

  constructor(text: readonly Segment[], old: readonly Segment[]) {
    this.#old = old;
    this.#oldFile = new SegmentedFile(old);
    this.#pieces = alignedPieces(this.#oldFile, new SegmentedFile(text), generalWindows)[Symbol.asyncIterator]();
  }

  async *next(size: number): AsyncGenerator<PlanePiece> {
    for (let left = size; left > 0;) {
      const piece = await this.#take();
      if (piece.kind === 'same') throw new Error('bytes that were not compared');
      const taken = Math.min(left, piece.bytes.length, pieceLimit);
      left -= taken;
      const bytes = piece.bytes.subarray(0, taken);
      const later = piece.bytes.subarray(taken);
      if (piece.kind === 'insert') {
        yield { kind: 'insert', bytes };
        if (later.length > 0) this.#batch.unshift({ ...piece, bytes: later });
        continue;
      }
      const { position, source } = piece;
      for (const part of this.#oldFile.parts(position, taken)) {
        const { start } = this.#old[part.segment]!;
        const to = part.done + part.size;
        yield {
          kind: 'copy',
          position: start + part.offset,
          bytes: bytes.subarray(part.done, to),
          source: source.subarray(part.done, to),
        };
      }
      if (later.length === 0) continue;
      this.#batch.unshift({ ...piece, position: position + taken, bytes: later, source: source.subarray(taken) });
    }
  }

  async #take(): Promise<Piece> {
    for (;;) {
      const piece = this.#batch.shift();
      if (piece !== undefined) return piece;
      const next = await this.#pieces.next();
      if (next.done === true) throw new Error('fewer bytes between tensors than there are');
      this.#batch = [...next.value];
    }
  }
}

function* piecesOf(
  tensor: Tensor,
  text: RandomAccess,
  source: TensorSource,
  oldFile: RandomAccess,
): Generator<PlanePiece> {
  const { start, size, width } = tensor;
  const oldStart = source.kind === 'none' ? 0 : source.old.start;
  const way = source.kind === 'similar' ? cheapest(tensor, text, oldStart, oldFile) : 'alone';
  for (let done = 0; done < size; done += pieceLimit) {
    const part = Math.min(pieceLimit, size - done);
    const position = oldStart + done;
    if (source.kind === 'same') {
      yield { kind: 'same', position, size: part };
      continue;
    }
    const bytes = read(text, start + done, part);
    if (way === 'alone') yield width === 1 ? { kind: 'insert', bytes } : { kind: 'alone', width, bytes };
    else {
      const like = { position, bytes, source: read(oldFile, position, part) };
      yield way === 'copy' ? { kind: 'copy', ...like } : { kind: 'elements', width, ...like };
    }
  }
}

/** Where few elements are others, they are named; where most are, planes of differences; where nothing is alike, its own planes. */
function cheapest(
  { start, size, width }: Tensor,
  text: RandomAccess,
  oldStart: number,
  old: RandomAccess,
): 'copy' | 'elements' | 'alone' {
  const costs = { copy: 0, elements: 0, alone: 0 };
  const streams = streamWriters(['gap', 'run', 'difference'] as const);
  const encoder = new DifferenceEncoder(streams);
  const length = Math.min(size, sampleSize);
  const count = Math.min(sampleCount, Math.ceil(size / sampleSize));
  for (let at = 0; at < count; at++) {
    const from = count === 1 ? 0 : Math.floor(((size - length) * at) / (count - 1) / width) * width;
    const bytes = read(text, start + from, length);
    const source = read(old, oldStart + from, length);
    encoder.put(bytes, 0, source, 0, length);
    costs.elements += planesSize(bytes, width, (planes) => splitDifferences(bytes, source, width, planes));
    costs.alone += planesSize(bytes, width, (planes) => splitElements(bytes, width, planes));
  }
  for (const stream of Object.values(streams)) costs.copy += packedSize(stream.view());
  if (costs.copy <= costs.elements && costs.copy <= costs.alone) return 'copy';
  return costs.elements <= costs.alone ? 'elements' : 'alone';
}

function planesSize(bytes: Buffer, width: Tensor['width'], split: (planes: Planes) => void): number {
  const planes = planeStreams[width].map(() => Buffer.allocUnsafe(bytes.length / width));
  split(planes);
  return planes.reduce((sum, plane) => sum + packedSize(plane), 0);
}

function packedSize(bytes: Uint8Array): number {
  const packed = zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: sampleLevel } });
  return Math.min(bytes.length, packed.length);
}

function read(file: RandomAccess, start: number, size: number): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  file.read(start, size, bytes);
  return bytes;
}
