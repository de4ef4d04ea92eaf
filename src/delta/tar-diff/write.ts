import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { encodeName } from '../../tar/name.ts';
import { operation, putUvarint, uvarintLimit } from './format.ts';

/** Contents of one operation at most; longer ones become several, so that readers that hold one need little. */
const pieceSize = 1024 * 1024;
/** Operations gathered before they go on. */
const gathered = 256 * 1024;

/**
 * Writes operations to `output` (before compression). Neighbouring data becomes one operation; a seek is written only
 * where the source does not stand there already. `drain` must be awaited now and then; memory is bounded by what is
 * written between two of them.
 */
export class OperationWriter {
  readonly #output: Writable;
  #buffers: Buffer[] = [];
  #waiting = 0;
  readonly #contents = Buffer.allocUnsafe(pieceSize);
  #pending: typeof operation.data | typeof operation.addData = operation.data;
  #filled = 0;
  #path: string | undefined;
  #position = 0;

  constructor(output: Writable) {
    this.#output = output;
  }

  data(bytes: Uint8Array): void {
    this.#expect(operation.data);
    for (let at = 0; at < bytes.length;) {
      const piece = bytes.subarray(at, at + pieceSize - this.#filled);
      this.#contents.set(piece, this.#filled);
      this.#filled += piece.length;
      at += piece.length;
      if (this.#filled === pieceSize) this.#flushContents();
    }
  }

  copy(path: string, position: number, size: number): void {
    this.#go(path, position);
    this.#head(operation.copy, size);
    this.#position += size;
  }

  /** Differences between `bytes` and the source's at `position`. */
  add(path: string, position: number, bytes: Uint8Array, source: Uint8Array): void {
    if (this.#pending !== operation.addData || path !== this.#path || position !== this.#position + this.#filled) {
      this.#flushContents();
      this.#go(path, position);
      this.#pending = operation.addData;
    }
    for (let at = 0; at < bytes.length; at++) {
      this.#contents[this.#filled++] = bytes[at]! - source[at]!;
      if (this.#filled === pieceSize) this.#flushContents();
    }
  }

  /** Sends on what has been gathered, as fast as the output takes it. */
  async drain(): Promise<void> {
    if (this.#waiting < gathered) return;
    await this.#send();
  }

  async end(): Promise<void> {
    this.#flushContents();
    await this.#send();
  }

  async #send(): Promise<void> {
    const buffers = this.#buffers;
    this.#buffers = [];
    this.#waiting = 0;
    let together: Buffer[] = [];
    let size = 0;
    // The compressor works on another thread: to change for a few bytes each takes longer than the work.
    for (const [at, buffer] of buffers.entries()) {
      together.push(buffer);
      size += buffer.length;
      if (size < gathered && at < buffers.length - 1) continue;
      if (!this.#output.write(Buffer.concat(together, size))) await once(this.#output, 'drain');
      together = [];
      size = 0;
    }
  }

  #expect(code: typeof operation.data | typeof operation.addData): void {
    if (this.#pending === code) return;
    this.#flushContents();
    this.#pending = code;
  }

  #go(path: string, position: number): void {
    this.#flushContents();
    if (path !== this.#path) {
      const name = encodeName(path);
      this.#head(operation.open, name.length);
      this.#put(name);
      this.#path = path;
      this.#position = 0;
    }
    if (position !== this.#position) {
      this.#head(operation.seek, position);
      this.#position = position;
    }
  }

  #flushContents(): void {
    if (this.#filled === 0) return;
    this.#head(this.#pending, this.#filled);
    this.#put(Buffer.from(this.#contents.subarray(0, this.#filled)));
    if (this.#pending === operation.addData) this.#position += this.#filled;
    this.#filled = 0;
  }

  #head(code: number, value: number): void {
    const bytes = Buffer.allocUnsafe(1 + uvarintLimit);
    bytes[0] = code;
    this.#put(bytes.subarray(0, putUvarint(value, bytes, 1)));
  }

  #put(bytes: Buffer): void {
    this.#buffers.push(bytes);
    this.#waiting += bytes.length;
  }
}
