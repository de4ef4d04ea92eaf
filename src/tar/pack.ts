import { blockSize, encodedHeaderSize, encodeHeader, padding, type TarHeader } from './header.ts';

/** Takes bytes from front to end. A chunk may be reused once the promise resolves. */
export interface ByteSink {
  write(chunk: Uint8Array): Promise<void>;
  /** After the last write: resolves when everything has arrived. */
  end(): Promise<void>;
}

/** Contents of an entry, read once from front to end. */
export interface TarContents {
  /** Fills the front of `into` and says with how many bytes, at least one; throws where there are no more. */
  read(into: Buffer): Promise<number>;
  /** Called after the last byte of the header's size: throws when there would be more, or other ones. */
  finish(): Promise<void>;
  /** Called in every case. */
  close(): Promise<void>;
}

export interface TarEntry {
  header: TarHeader;
  /** Called in turn; needed where the header's size is not 0. */
  open?: () => Promise<TarContents>;
}

/** Two zero blocks end an archive. */
const endSize = 2 * blockSize;

/** Bytes of the whole archive: known before any of the contents are read. */
export function archiveSize(headers: Iterable<Pick<TarHeader, 'name' | 'linkName' | 'size'>>): number {
  let total = endSize;
  for (const header of headers) total += encodedHeaderSize(header) + header.size + padding(header.size);
  return total;
}

/**
 * Writes a tar in GNU's format. Contents are read straight into one of two buffers of `bufferSize` bytes while the
 * sink works on the other: that is all the memory it takes. They are shared ones, so that another thread can look at
 * them while the sink has them. Does not end the sink.
 */
export async function writeArchive(
  entries: Iterable<TarEntry> | AsyncIterable<TarEntry>,
  sink: Pick<ByteSink, 'write'>,
  options: { bufferSize?: number; signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const buffers = new PairedBuffers(sink, options.bufferSize ?? 1024 * 1024);
  try {
    for await (const { header, open } of entries) {
      options.signal?.throwIfAborted();
      await buffers.put(encodeHeader(header));
      if (open !== undefined) await putContents(buffers, header, open, options.signal);
      else if (header.size > 0) throw new TypeError(`${header.name} has a size and no contents`);
    }
    await buffers.putZeros(endSize);
    await buffers.flush();
  } finally {
    await buffers.settle();
  }
}

async function putContents(
  buffers: PairedBuffers,
  header: TarHeader,
  open: () => Promise<TarContents>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const contents = await open();
  try {
    for (let left = header.size; left > 0;) {
      signal?.throwIfAborted();
      const room = await buffers.room();
      const count = await contents.read(room.subarray(0, Math.min(room.length, left)));
      buffers.filled(count);
      left -= count;
    }
    await contents.finish();
  } finally {
    await contents.close();
  }
  await buffers.putZeros(padding(header.size));
}

/** At most two blocks are asked for at once. */
const zeros = Buffer.alloc(endSize);

/** One buffer is filled while the other is written. */
class PairedBuffers {
  readonly #sink: Pick<ByteSink, 'write'>;
  #current: Buffer;
  #other: Buffer;
  #used = 0;
  #pending: Promise<void> = Promise.resolve();

  constructor(sink: Pick<ByteSink, 'write'>, size: number) {
    this.#sink = sink;
    this.#current = Buffer.from(new SharedArrayBuffer(size));
    this.#other = Buffer.from(new SharedArrayBuffer(size));
  }

  /** The free rest of the current buffer, at least one byte. */
  async room(): Promise<Buffer> {
    if (this.#used === this.#current.length) await this.#swap();
    return this.#current.subarray(this.#used);
  }

  filled(count: number): void {
    this.#used += count;
  }

  async put(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const room = await this.room();
      const part = bytes.subarray(at, at + room.length);
      room.set(part);
      this.filled(part.length);
      at += part.length;
    }
  }

  async putZeros(count: number): Promise<void> {
    if (count > 0) await this.put(zeros.subarray(0, count));
  }

  async flush(): Promise<void> {
    await this.#swap();
    await this.#pending;
  }

  /** Waits for a write that is under way when something else has failed; what failed first is what counts. */
  async settle(): Promise<void> {
    await this.#pending.catch(() => {});
  }

  async #swap(): Promise<void> {
    await this.#pending;
    const full = this.#current.subarray(0, this.#used);
    [this.#current, this.#other] = [this.#other, this.#current];
    this.#used = 0;
    this.#pending = this.#sink.write(full);
    // Awaited at the next swap; until then nobody listens.
    this.#pending.catch(() => {});
  }
}
