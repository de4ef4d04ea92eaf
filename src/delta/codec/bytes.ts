import { brokenDelta } from './failure.ts';

/** A number takes at most this many bytes: values up to 2^53 - 1. */
export const varintLimit = 8;

/** Bytes that grow at their end. `clear` keeps the memory. */
export class ByteWriter {
  #bytes: Buffer;
  length = 0;

  constructor(capacity = 4096) {
    this.#bytes = Buffer.allocUnsafe(capacity);
  }

  byte(value: number): void {
    if (this.length === this.#bytes.length) this.#grow(1);
    this.#bytes[this.length++] = value;
  }

  /** Little end first. */
  int32(value: number): void {
    if (this.length + 4 > this.#bytes.length) this.#grow(4);
    this.#bytes[this.length++] = value;
    this.#bytes[this.length++] = value >> 8;
    this.#bytes[this.length++] = value >> 16;
    this.#bytes[this.length++] = value >> 24;
  }

  uvarint(value: number): void {
    let left = value;
    if (left < 2 ** 31) {
      for (; left >= 0x80; left >>>= 7) this.byte(left | 0x80);
      this.byte(left);
      return;
    }
    while (left >= 0x80) {
      this.byte((left % 0x80) | 0x80);
      left = Math.floor(left / 0x80);
    }
    this.byte(left);
  }

  svarint(value: number): void {
    this.uvarint(value < 0 ? -2 * value - 1 : 2 * value);
  }

  put(bytes: Uint8Array): void {
    if (this.length + bytes.length > this.#bytes.length) this.#grow(bytes.length);
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Those from `start` on and before `end`: few enough that a view of them would cost more than to copy them. */
  putFew(bytes: Uint8Array, start: number, end: number): void {
    if (this.length + end - start > this.#bytes.length) this.#grow(end - start);
    for (let at = start; at < end; at++) this.#bytes[this.length++] = bytes[at]!;
  }

  /** What was written: the writer's own memory. */
  view(): Buffer {
    return this.#bytes.subarray(0, this.length);
  }

  clear(): void {
    this.length = 0;
  }

  #grow(more: number): void {
    const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.length + more));
    this.#bytes.copy(grown, 0, 0, this.length);
    this.#bytes = grown;
  }
}

/** Reads what a ByteWriter wrote; a Failure where it ends too early or holds a number beyond 2^53 - 1. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #name: string;
  #at = 0;

  constructor(bytes: Uint8Array, name: string) {
    this.#bytes = bytes;
    this.#name = name;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  byte(): number {
    if (this.#at >= this.#bytes.length) throw this.#short();
    return this.#bytes[this.#at++]!;
  }

  int32(): number {
    const bytes = this.take(4);
    return bytes[0]! | (bytes[1]! << 8) | (bytes[2]! << 16) | (bytes[3]! << 24);
  }

  uvarint(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < varintLimit; count++) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (!Number.isSafeInteger(value)) break;
        return value;
      }
      scale *= 0x80;
    }
    throw brokenDelta(`${this.#name} holds a number that is too large`);
  }

  svarint(): number {
    const value = this.uvarint();
    return value % 2 === 1 ? -(value + 1) / 2 : value / 2;
  }

  /** A view of the next bytes. */
  take(size: number): Uint8Array {
    if (size > this.left) throw this.#short();
    this.#at += size;
    return this.#bytes.subarray(this.#at - size, this.#at);
  }

  /** A view of the next bytes, fewer where it ends, which are not passed. */
  peek(size: number): Uint8Array {
    return this.#bytes.subarray(this.#at, this.#at + size);
  }

  #short(): Error {
    return brokenDelta(`${this.#name} ends too early`);
  }
}
