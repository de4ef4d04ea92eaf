import type { RandomAccess } from '../source-spool.ts';

/** Bytes of a file that stand in another one, which is put together of such. */
export interface Segment {
  file: RandomAccess;
  /** In `file`. */
  start: number;
  size: number;
}

/** Several segments as one file. */
export class SegmentedFile implements RandomAccess {
  readonly #segments: readonly Segment[];
  /** Where each begins. */
  readonly #places: Float64Array;
  readonly size: number;

  constructor(segments: readonly Segment[]) {
    this.#segments = segments;
    this.#places = new Float64Array(segments.length);
    let size = 0;
    for (const [at, segment] of segments.entries()) {
      this.#places[at] = size;
      size += segment.size;
    }
    this.size = size;
  }

  read(position: number, length: number, into: Uint8Array): void {
    for (const { segment, offset, done, size } of this.parts(position, length)) {
      const { file, start } = this.#segments[segment]!;
      file.read(start + offset, size, into.subarray(done, done + size));
    }
  }

  /** What a stretch of the file consists of: `done` bytes of it come before. */
  *parts(position: number, length: number): Generator<{ segment: number; offset: number; done: number; size: number }> {
    if (position < 0 || position + length > this.size) {
      throw new RangeError(`a read at ${position} of ${length} bytes in a file of ${this.size}`);
    }
    let segment = this.#at(position);
    for (let done = 0; done < length; segment++) {
      const offset = position + done - this.#places[segment]!;
      const size = Math.min(length - done, this.#segments[segment]!.size - offset);
      if (size > 0) yield { segment, offset, done, size };
      done += size;
    }
  }

  #at(position: number): number {
    let low = 0;
    let high = this.#segments.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (this.#places[middle]! <= position) low = middle;
      else high = middle;
    }
    return low;
  }
}
