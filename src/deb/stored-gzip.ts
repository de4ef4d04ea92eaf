import { crc32 } from 'node:zlib';

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
    const start = Buffer.alloc(5);
    start[0] = index === count - 1 ? 1 : 0;
    start.writeUInt16LE(block.length, 1);
    start.writeUInt16LE(block.length ^ 0xffff, 3);
    parts.push(start, block);
  }
  const trailer = Buffer.alloc(trailerSize);
  trailer.writeUInt32LE(crc32(bytes), 0);
  trailer.writeUInt32LE(bytes.length >>> 0, 4);
  return Buffer.concat([...parts, trailer]);
}

function blockCount(size: number): number {
  return Math.max(1, Math.ceil(size / blockMax));
}
