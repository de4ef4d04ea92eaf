import type { RandomAccess } from '../source-spool.ts';
import { brokenDelta } from './failure.ts';

const pageSize = 16 * 1024;
const pages = 96;

/** The old file, read at any place, with the pages that were read last kept. Memory: 1.5 MiB. */
export class OldPages {
  readonly #file: RandomAccess;
  readonly #kept = Buffer.allocUnsafe(pageSize * pages);
  readonly #numbers = new Float64Array(pages).fill(-1);

  constructor(file: RandomAccess) {
    this.#file = file;
  }

  get size(): number {
    return this.#file.size;
  }

  /** Fills `into` from its start with the `size` bytes at `position`; a Failure where the file has none. */
  read(position: number, size: number, into: Uint8Array): void {
    if (position < 0 || position + size > this.#file.size) {
      throw brokenDelta(`it reads bytes ${position} to ${position + size} of an old file of ${this.#file.size}`);
    }
    if (size >= pageSize) {
      this.#file.read(position, size, into);
      return;
    }
    for (let done = 0; done < size;) {
      const number = Math.floor((position + done) / pageSize);
      const start = this.#page(number);
      const from = position + done - number * pageSize;
      const step = Math.min(size - done, pageSize - from);
      into.set(this.#kept.subarray(start + from, start + from + step), done);
      done += step;
    }
  }

  #page(number: number): number {
    const slot = number % pages;
    const start = slot * pageSize;
    if (this.#numbers[slot] !== number) {
      const position = number * pageSize;
      this.#numbers[slot] = -1;
      const size = Math.min(pageSize, this.#file.size - position);
      this.#file.read(position, size, this.#kept.subarray(start, start + size));
      this.#numbers[slot] = number;
    }
    return start;
  }
}
