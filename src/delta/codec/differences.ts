import type { ByteReader, ByteWriter } from './bytes.ts';
import { brokenDelta } from './failure.ts';

/** Where bytes differ from what was predicted: how many are equal before, how many differ, and by how much. */
export interface DifferenceWriters {
  gap: ByteWriter;
  run: ByteWriter;
  difference: ByteWriter;
}

/**
 * Differences of one block. A run goes on over a single equal byte and ends before two of them: two numbers cost more
 * than one zero.
 */
export class DifferenceEncoder {
  readonly #streams: DifferenceWriters;
  #equal = 0;

  constructor(streams: DifferenceWriters) {
    this.#streams = streams;
  }

  /** `size` bytes of `text` from `at` on, beside as many of `predicted` from `from` on. */
  put(text: Uint8Array, at: number, predicted: Uint8Array, from: number, size: number): void {
    const { gap, run, difference } = this.#streams;
    const texts = new DataView(text.buffer, text.byteOffset + at, size);
    const predictions = new DataView(predicted.buffer, predicted.byteOffset + from, size);
    for (let done = 0; done < size;) {
      // Nearly all is equal: looked at four bytes at a time, that takes half of the time.
      const first = done;
      while (done + 4 <= size && texts.getInt32(done) === predictions.getInt32(done)) done += 4;
      this.#equal += done - first;
      if (done === size) break;
      if (text[at + done] === predicted[from + done]) {
        done++;
        this.#equal++;
        continue;
      }
      let end = done + 1;
      for (let next = end; next < size && next < end + 2; next++) {
        if (text[at + next] !== predicted[from + next]) end = next + 1;
      }
      gap.uvarint(this.#equal);
      run.uvarint(end - done);
      for (; done < end; done++) difference.byte(text[at + done]! - predicted[from + done]!);
      this.#equal = 0;
    }
  }

  /** So many bytes that are as predicted. */
  equal(size: number): void {
    this.#equal += size;
  }

  /** The next block begins with none. */
  reset(): void {
    this.#equal = 0;
  }
}

export class DifferenceDecoder {
  readonly #streams: { gap: ByteReader; run: ByteReader; difference: ByteReader };
  #equal: number;
  #run = 0;

  constructor(streams: { gap: ByteReader; run: ByteReader; difference: ByteReader }) {
    this.#streams = streams;
    this.#equal = this.#nextGap();
  }

  /** Adds what differs to predicted bytes: those of the copies of a block, in order, in pieces of any size. */
  addTo(bytes: Uint8Array, size: number): void {
    for (let at = 0; at < size;) {
      if (this.#equal > 0) {
        const step = Math.min(this.#equal, size - at);
        at += step;
        this.#equal -= step;
        continue;
      }
      if (this.#run === 0) {
        this.#run = this.#streams.run.uvarint();
        if (this.#run === 0) throw brokenDelta('it has a run of differences without any');
      }
      const end = at + Math.min(this.#run, size - at);
      const differences = this.#streams.difference.take(end - at);
      this.#run -= end - at;
      for (let each = 0; at < end; at++, each++) bytes[at]! += differences[each]!;
      if (this.#run === 0) this.#equal = this.#nextGap();
    }
  }

  /** A run that goes beyond the bytes of its block. */
  expectEnd(): void {
    if (this.#run > 0) throw brokenDelta('it has differences beyond the end of a block');
  }

  #nextGap(): number {
    return this.#streams.gap.left === 0 ? Infinity : this.#streams.gap.uvarint();
  }
}
