import { brokenDelta } from './failure.ts';
import type { ByteSource } from './block.ts';

/** Takes exact amounts from bytes that come in pieces of any size. */
export class StreamSource implements ByteSource {
  readonly #iterator: AsyncIterator<Buffer>;
  #piece: Buffer = Buffer.alloc(0);

  constructor(bytes: AsyncIterable<Buffer>) {
    this.#iterator = bytes[Symbol.asyncIterator]();
  }

  async take(size: number): Promise<Buffer> {
    if (this.#piece.length >= size) return this.#split(size);
    const taken = Buffer.allocUnsafe(size);
    for (let filled = 0; filled < size;) {
      if (this.#piece.length === 0 && !(await this.#next())) throw brokenDelta('it ends too early');
      const part = this.#split(Math.min(size - filled, this.#piece.length));
      taken.set(part, filled);
      filled += part.length;
    }
    return taken;
  }

  /** At most `size` bytes, without passing them. */
  async peek(size: number): Promise<Buffer> {
    while (this.#piece.length < size) {
      const before = this.#piece;
      if (!(await this.#next())) {
        this.#piece = before;
        break;
      }
      this.#piece = Buffer.concat([before, this.#piece]);
    }
    return this.#piece.subarray(0, size);
  }

  async expectEnd(): Promise<void> {
    while (this.#piece.length === 0) if (!(await this.#next())) return;
    throw brokenDelta('bytes follow its end');
  }

  async close(): Promise<void> {
    await this.#iterator.return?.();
  }

  async #next(): Promise<boolean> {
    const next = await this.#iterator.next();
    if (next.done === true) return false;
    this.#piece = next.value;
    return true;
  }

  #split(size: number): Buffer {
    const part = this.#piece.subarray(0, size);
    this.#piece = this.#piece.subarray(size);
    return part;
  }
}
