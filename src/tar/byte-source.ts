import type { FileHandle } from 'node:fs/promises';

/** Bytes that are read from front to end; what is skipped need not be read. */
export interface ByteSource {
  /** Bytes consumed so far. */
  readonly position: number;
  /** The next `length` bytes, fewer at the end. */
  read(length: number): Promise<Buffer>;
  /** The next `length` bytes in pieces; ends early where the source does. */
  chunks(length: number): AsyncGenerator<Buffer, void, undefined>;
  /** Passes over bytes; resolves to how many there were. */
  skip(length: number): Promise<number>;
}

const fileChunk = 256 * 1024;

/** A stream as a byte source. Memory: one chunk of the stream and what one `read` asks for. */
export function streamSource(stream: AsyncIterable<Uint8Array>): ByteSource {
  const iterator = stream[Symbol.asyncIterator]();
  let chunk: Buffer = Buffer.alloc(0);
  let position = 0;

  /** At most `limit` bytes, undefined at the end. */
  const take = async (limit: number): Promise<Buffer | undefined> => {
    while (chunk.length === 0) {
      const next = await iterator.next();
      if (next.done === true) return undefined;
      chunk = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength);
    }
    const taken = chunk.subarray(0, limit);
    chunk = chunk.subarray(taken.length);
    position += taken.length;
    return taken;
  };

  return {
    get position() {
      return position;
    },
    async read(length) {
      const first = await take(length);
      if (first === undefined || first.length === length) return first ?? Buffer.alloc(0);
      const parts = [first];
      let got = first.length;
      while (got < length) {
        const part = await take(length - got);
        if (part === undefined) break;
        parts.push(part);
        got += part.length;
      }
      return Buffer.concat(parts, got);
    },
    async *chunks(length) {
      for (let left = length; left > 0;) {
        const part = await take(left);
        if (part === undefined) return;
        left -= part.length;
        yield part;
      }
    },
    async skip(length) {
      let left = length;
      while (left > 0) {
        const part = await take(left);
        if (part === undefined) break;
        left -= part.length;
      }
      return length - left;
    },
  };
}

/** A part of an open file, `size` bytes from `start` on, as a byte source; skipping reads nothing. */
export function fileSource(file: FileHandle, start: number, size: number): ByteSource {
  let position = 0;
  const readAt = async (length: number): Promise<Buffer> => {
    const wanted = Math.min(length, size - position);
    const buffer = Buffer.allocUnsafe(wanted);
    let got = 0;
    while (got < wanted) {
      const { bytesRead } = await file.read(buffer, got, wanted - got, start + position + got);
      if (bytesRead === 0) break;
      got += bytesRead;
    }
    position += got;
    return buffer.subarray(0, got);
  };
  return {
    get position() {
      return position;
    },
    read: readAt,
    async *chunks(length) {
      for (let left = length; left > 0;) {
        const part = await readAt(Math.min(left, fileChunk));
        if (part.length === 0) return;
        left -= part.length;
        yield part;
      }
    },
    async skip(length) {
      const skipped = Math.min(length, size - position);
      position += skipped;
      return skipped;
    },
  };
}
