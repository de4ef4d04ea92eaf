import { blockSize, encodedHeaderSize, encodeHeader, padding, type TarHeader } from './header.ts';

/** Takes bytes from front to end. A chunk may be reused once the promise resolves. */
export interface ByteSink {
  write(chunk: Uint8Array): Promise<void>;
  /** After the last write: resolves when everything has arrived. */
  end(): Promise<void>;
}

/**
 * Contents of an entry, read once from front to end. What has its answer at once returns it rather than a promise: of tens
 * of thousands of small files, waiting would take longer than reading.
 */
export interface TarContents {
  /** Fills the front of `into` and says with how many bytes, at least one; throws where there are no more. */
  read(into: Buffer): number | Promise<number>;
  /** Called after the last byte of the header's size: throws when there would be more, or other ones. */
  finish(): void | Promise<void>;
  /** Called in every case. */
  close(): void | Promise<void>;
}

export interface TarEntry {
  header: TarHeader;
  /** Called in turn; needed where the header's size is not 0. */
  open?: () => TarContents | Promise<TarContents>;
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
  entries: Iterable<TarEntry>,
  sink: Pick<ByteSink, 'write'>,
  options: { bufferSize?: number; signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const buffers = new PairedBuffers(sink, options.bufferSize ?? 1024 * 1024);
  try {
    await waitFor(putEntries(buffers, entries, options.signal));
    await buffers.flush();
  } finally {
    await buffers.settle();
  }
}

/** Work that yields what it cannot go on without, and nothing where it can. */
type Steps<T> = Generator<Promise<unknown>, T>;

async function waitFor(steps: Steps<void>): Promise<void> {
  for (let step = steps.next(); step.done !== true;) {
    try {
      await step.value;
    } catch (error) {
      step = steps.throw(error);
      continue;
    }
    step = steps.next();
  }
}

function* putEntries(
  buffers: PairedBuffers,
  entries: Iterable<TarEntry>,
  signal: AbortSignal | undefined,
): Steps<void> {
  for (const { header, open } of entries) {
    signal?.throwIfAborted();
    yield* buffers.put(encodeHeader(header));
    if (open !== undefined) yield* putContents(buffers, header, open, signal);
    else if (header.size > 0) throw new TypeError(`${header.name} has a size and no contents`);
  }
  yield* buffers.putZeros(endSize);
}

function* putContents(
  buffers: PairedBuffers,
  header: TarHeader,
  open: () => TarContents | Promise<TarContents>,
  signal: AbortSignal | undefined,
): Steps<void> {
  const contents = yield* settled(open());
  try {
    for (let left = header.size; left > 0;) {
      signal?.throwIfAborted();
      const room = yield* buffers.room();
      const count = yield* settled(contents.read(room.subarray(0, Math.min(room.length, left))));
      buffers.filled(count);
      left -= count;
    }
    yield* settled(contents.finish());
  } finally {
    yield* settled(contents.close());
  }
  yield* buffers.putZeros(padding(header.size));
}

/** What comes after a value that may be there at once. */
export function after<T, R>(value: T | Promise<T>, next: (value: T) => R): R | Promise<Awaited<R>> {
  return value instanceof Promise ? (value.then(next) as Promise<Awaited<R>>) : next(value);
}

function* settled<T>(value: T | Promise<T>): Steps<T> {
  if (!(value instanceof Promise)) return value;
  let result: T;
  yield value.then((found) => void (result = found));
  return result!;
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
  *room(): Steps<Buffer> {
    if (this.#used === this.#current.length) yield this.#swap();
    return this.#current.subarray(this.#used);
  }

  filled(count: number): void {
    this.#used += count;
  }

  *put(bytes: Uint8Array): Steps<void> {
    for (let at = 0; at < bytes.length;) {
      if (this.#used === this.#current.length) yield this.#swap();
      const free = this.#current.length - this.#used;
      const part = bytes.length - at <= free && at === 0 ? bytes : bytes.subarray(at, at + free);
      this.#current.set(part, this.#used);
      this.filled(part.length);
      at += part.length;
    }
  }

  *putZeros(count: number): Steps<void> {
    if (count > 0) yield* this.put(zeros.subarray(0, count));
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
