import { ByteWriter } from './bytes.ts';

/** Puts in front of each block how many bytes of the new file it makes, and checks what the header has promised. */
export class BlockSizer {
  readonly #limit: number;
  /** Bytes of the new file that belong to the block that is open. */
  open = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(bytes: number): void {
    this.open += bytes;
  }

  close(streamBytes: number, packed: Buffer): Buffer {
    return Buffer.concat([this.head(streamBytes), packed]);
  }

  /** What stands before the block that is open, which is closed. */
  head(streamBytes: number): Buffer {
    if (streamBytes > this.#limit) throw new RangeError(`a block of ${streamBytes} bytes`);
    const head = new ByteWriter(8);
    head.uvarint(this.open);
    this.open = 0;
    return head.view();
  }
}
