import type { RandomAccess } from '../source-spool.ts';

const bufferSize = 64 * 1024;

/** Reads a file from some place on, up to an end. Throws a RangeError where a number leads beyond it. */
export class Cursor {
  readonly #file: RandomAccess;
  readonly #buffer = Buffer.allocUnsafe(bufferSize);
  #start = 0;
  #filled = 0;
  position: number;

  constructor(file: RandomAccess, position = 0) {
    this.#file = file;
    this.position = position;
  }

  get left(): number {
    return this.#file.size - this.position;
  }

  byte(): number {
    return this.#next(1)[0]!;
  }

  /** Little end first, as all that follow. */
  uint32(): number {
    return this.#next(4).readUInt32LE();
  }

  /** At most 2^53 - 1. */
  uint64(): number {
    const value = Number(this.#next(8).readBigUInt64LE());
    if (!Number.isSafeInteger(value)) throw new RangeError(`a number of ${value}`);
    return value;
  }

  /** Of Protocol Buffers; at most 2^53 - 1: larger ones are negative numbers, which say nothing that is asked for. */
  varint(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 10; count++) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return Math.min(value, Number.MAX_SAFE_INTEGER);
      scale *= 0x80;
    }
    throw new RangeError('a number without an end');
  }

  bytes(size: number): Buffer {
    this.#expect(size);
    const found = Buffer.allocUnsafe(size);
    this.#file.read(this.position, size, found);
    this.position += size;
    return found;
  }

  skip(size: number): void {
    this.#expect(size);
    this.position += size;
  }

  #next(size: number): Buffer {
    this.#expect(size);
    if (this.position < this.#start || this.position + size > this.#start + this.#filled) {
      this.#start = this.position;
      this.#filled = Math.min(bufferSize, this.left);
      this.#file.read(this.#start, this.#filled, this.#buffer.subarray(0, this.#filled));
    }
    const from = this.position - this.#start;
    this.position += size;
    return this.#buffer.subarray(from, from + size);
  }

  #expect(size: number): void {
    if (size > this.left) throw new RangeError(`${size} bytes at ${this.position} of ${this.#file.size}`);
  }
}
