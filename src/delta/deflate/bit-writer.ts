const gathered = 16 * 1024;

/** Bits, the lowest of each byte first (RFC 1951, 3.1.1). What it hands on must be used before `put` returns. */
export class BitWriter {
  readonly #put: (bytes: Uint8Array) => void;
  readonly #bytes = new Uint8Array(gathered + 4);
  #filled = 0;
  #bits = 0;
  #count = 0;

  constructor(put: (bytes: Uint8Array) => void) {
    this.#put = put;
  }

  /** At most 16 bits. */
  bits(value: number, count: number): void {
    this.#bits |= value << this.#count;
    this.#count += count;
    if (this.#count < 16) return;
    this.#bytes[this.#filled++] = this.#bits;
    this.#bytes[this.#filled++] = this.#bits >>> 8;
    this.#bits >>>= 16;
    this.#count -= 16;
    if (this.#filled >= gathered) this.#flush();
  }

  /** Zeros up to the next byte. */
  align(): void {
    for (; this.#count > 0; this.#count -= 8) {
      this.#bytes[this.#filled++] = this.#bits;
      this.#bits >>>= 8;
    }
    this.#count = 0;
    if (this.#filled >= gathered) this.#flush();
  }

  /** Whole bytes, after `align`. */
  bytes(bytes: Uint8Array): void {
    this.#flush();
    this.#put(bytes);
  }

  end(): void {
    this.align();
    this.#flush();
  }

  #flush(): void {
    if (this.#filled > 0) this.#put(this.#bytes.subarray(0, this.#filled));
    this.#filled = 0;
  }
}
