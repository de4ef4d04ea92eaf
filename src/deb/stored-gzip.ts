import { crc32 } from 'node:zlib';
import type { Compressor } from './compression.ts';

const blockMax = 0xffff;
/** RFC 1952: deflate, no flags, no time, no hints, Unix. */
const header = Buffer.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3);
const trailerSize = 8;

/** Bytes of `storedGzip` of `size` bytes. */
export function storedGzipSize(size: number): number {
  return header.length + 5 * blockCount(size) + size + trailerSize;
}

/** gzip with stored blocks alone (RFC 1951 3.2.4): its size depends on nothing but the size of what is in it. */
export function storedGzip(bytes: Buffer): Buffer {
  const parts: Buffer[] = [header];
  const count = blockCount(bytes.length);
  for (let index = 0; index < count; index++) {
    const block = bytes.subarray(index * blockMax, (index + 1) * blockMax);
    parts.push(blockHeader(block.length, index === count - 1), block);
  }
  return Buffer.concat([...parts, trailerOf(crc32(bytes), bytes.length)]);
}

/** The same piece by piece, without copies of what is in it; an empty block ends it. */
export function startStoredGzip(onOutput: (parts: readonly Uint8Array[]) => Promise<void>): Compressor {
  let checksum = 0;
  let total = 0;
  const largest = blockHeader(blockMax, false);
  return {
    async write(chunk) {
      const parts: Uint8Array[] = total === 0 ? [header] : [];
      for (let from = 0; from < chunk.length; from += blockMax) {
        const block = chunk.subarray(from, from + blockMax);
        parts.push(block.length === blockMax ? largest : blockHeader(block.length, false), block);
      }
      const taken = onOutput(parts);
      // Meanwhile.
      checksum = crc32(chunk, checksum);
      total += chunk.length;
      await taken;
    },
    async end() {
      const start = total === 0 ? [header] : [];
      await onOutput([...start, blockHeader(0, true), trailerOf(checksum, total)]);
    },
    abort() {},
  };
}

function blockHeader(length: number, isLast: boolean): Buffer {
  const bytes = Buffer.alloc(5);
  bytes[0] = isLast ? 1 : 0;
  bytes.writeUInt16LE(length, 1);
  bytes.writeUInt16LE(length ^ 0xffff, 3);
  return bytes;
}

/** RFC 1952: crc32, and the size modulo 2^32. */
function trailerOf(checksum: number, size: number): Buffer {
  const trailer = Buffer.alloc(trailerSize);
  trailer.writeUInt32LE(checksum, 0);
  trailer.writeUInt32LE(size % 2 ** 32, 4);
  return trailer;
}

function blockCount(size: number): number {
  return Math.max(1, Math.ceil(size / blockMax));
}
