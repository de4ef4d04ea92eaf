/** Bytes of the new file go here, in order; they must be used before `write` returns. */
export interface ByteSink {
  write(bytes: Uint8Array): void;
}

/** Part of the output that is complete only when its end is there. */
export interface HeldPart {
  start: number;
  size: number;
  /** Makes what is missing in the held bytes. */
  complete(bytes: Buffer): void;
}

const gathered = 256 * 1024;

/** Gathers small pieces and holds back what is to be completed. */
export class Output {
  readonly #sink: ByteSink;
  readonly #buffer = Buffer.allocUnsafe(gathered);
  #held: (HeldPart & { bytes: Buffer }) | undefined;
  #filled = 0;
  /** Bytes that came so far. */
  size = 0;

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  /** Its start counts from what came so far. What was held before must be complete. */
  hold(part: HeldPart): void {
    this.#held = { ...part, start: this.size + part.start, bytes: Buffer.allocUnsafe(part.size) };
  }

  put(bytes: Uint8Array): void {
    const held = this.#held;
    const start = this.size;
    this.size += bytes.length;
    if (held === undefined || this.size <= held.start || start >= held.start + held.size) {
      this.#gather(bytes);
      return;
    }
    const from = Math.max(0, held.start - start);
    const to = Math.min(bytes.length, held.start + held.size - start);
    this.#gather(bytes.subarray(0, from));
    held.bytes.set(bytes.subarray(from, to), start + from - held.start);
    if (start + to < held.start + held.size) return;
    this.#held = undefined;
    held.complete(held.bytes);
    this.#gather(held.bytes);
    this.#gather(bytes.subarray(to));
  }

  /** Hands on what is still gathered. */
  flush(): void {
    const bytes = this.#buffer.subarray(0, this.#filled);
    this.#filled = 0;
    if (bytes.length > 0) this.#sink.write(bytes);
  }

  #gather(bytes: Uint8Array): void {
    if (bytes.length > gathered - this.#filled) this.flush();
    if (bytes.length >= gathered) {
      this.#sink.write(bytes);
      return;
    }
    this.#buffer.set(bytes, this.#filled);
    this.#filled += bytes.length;
  }
}
