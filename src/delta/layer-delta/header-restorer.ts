import { blockSize } from '../../tar/header.ts';
import type { ByteReader } from '../codec/bytes.ts';
import { brokenDelta } from '../codec/failure.ts';
import type { ByteSink } from '../codec/output.ts';
import { noRun, restoreHeader, takeHeaderRun, toNextHeader, type HeaderRun } from './header-list.ts';

/** Follows a tar from header to header, writes into each what a list of headers says, and puts it out. */
export class HeaderRestorer implements ByteSink {
  readonly #runs: ByteReader;
  readonly #sink: ByteSink;
  readonly #header = Buffer.alloc(blockSize);
  /** Bytes of the header that came so far. */
  #filled = 0;
  /** Bytes that go out as they come, before the next header. */
  #passing = 0;
  #run: HeaderRun = noRun;
  /** Headers of the run that are still to come. */
  #left = 0;

  constructor(runs: ByteReader, sink: ByteSink) {
    this.#runs = runs;
    this.#sink = sink;
    this.#next();
  }

  write(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      if (this.#passing > 0) {
        const part = bytes.subarray(done, Math.min(bytes.length, done + this.#passing));
        done += part.length;
        this.#passing -= part.length;
        this.#sink.write(part);
        continue;
      }
      const part = bytes.subarray(done, done + blockSize - this.#filled);
      this.#header.set(part, this.#filled);
      done += part.length;
      this.#filled += part.length;
      if (this.#filled === blockSize) this.#restore();
    }
  }

  /** The tar is complete. Throws a Failure where headers of the list were not in it. */
  end(): void {
    if (this.#left > 0) throw brokenDelta('its list of headers has more than the tar');
    if (this.#filled > 0) this.#sink.write(this.#header.subarray(0, this.#filled));
  }

  #restore(): void {
    this.#filled = 0;
    this.#passing = toNextHeader(this.#header) ?? Infinity;
    if (this.#passing < Infinity) {
      restoreHeader(this.#header, this.#run.mode, this.#run.time);
      this.#left--;
      if (this.#left === 0) this.#next();
    }
    this.#sink.write(this.#header);
  }

  #next(): void {
    const run = takeHeaderRun(this.#runs, this.#run);
    if (run === undefined) {
      this.#passing = Infinity;
      return;
    }
    this.#run = run;
    this.#left = run.count;
  }
}
