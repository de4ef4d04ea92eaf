import { createHash } from 'node:crypto';
import { zstdDecompressSync } from 'node:zlib';
import type { RandomAccess } from '../../../src/delta/source-spool.ts';
import { encodeDelta, type EncodeOptions } from '../../../src/delta/codec/encode.ts';
import { decodeDelta, type DecodeOptions } from '../../../src/delta/codec/decode.ts';

export function inMemory(bytes: Uint8Array): RandomAccess {
  return {
    size: bytes.length,
    read(position, length, into) {
      if (position < 0 || position + length > bytes.length) throw new RangeError('a read outside of the file');
      into.set(bytes.subarray(position, position + length));
    },
  };
}

export async function encoded(old: Uint8Array, text: Uint8Array, options: EncodeOptions = {}): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of encodeDelta(inMemory(old), inMemory(text), { level: 3, ...options })) parts.push(part);
  return Buffer.concat(parts);
}

/** Feeds the delta in pieces of `size` bytes. */
export async function decoded(
  delta: Uint8Array,
  old: Uint8Array,
  options: DecodeOptions = {},
  size = 65_536,
): Promise<Buffer> {
  const parts: Buffer[] = [];
  const pieces = (async function* () {
    for (let at = 0; at < delta.length; at += size) yield Buffer.from(delta.subarray(at, at + size));
  })();
  await decodeDelta(pieces, inMemory(old), { write: (bytes) => parts.push(Buffer.from(bytes)) }, options);
  return Buffer.concat(parts);
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Streams of a block of the coding general, of an ELF delta's first block, and of its others. */
const streamCounts = { general: [7, 7], elf: [4, 16] } as const;

/** The same delta with all streams as they are: reads the container by its description alone. */
export function unpacked(delta: Buffer): Buffer {
  let at = 4;
  const number = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = delta[at++]!;
      value += (byte % 128) * scale;
      if (byte < 128) return value;
    }
  };
  const coded = (value: number): number[] =>
    value < 128 ? [value] : [(value % 128) + 128, ...coded(Math.floor(value / 128))];
  const counts = delta[at++] === 0 ? streamCounts.general : streamCounts.elf;
  number();
  const newSize = number();
  number();
  number();
  const parts: Buffer[] = [delta.subarray(0, at)];
  const block = (count: number) => {
    const sizes = Array.from({ length: count }, () => {
      const raw = number();
      return { raw, zipped: raw === 0 ? 0 : number() };
    });
    parts.push(Buffer.from(sizes.flatMap(({ raw }) => (raw === 0 ? [0] : [...coded(raw), 0]))));
    for (const { raw, zipped } of sizes) {
      const bytes = delta.subarray(at, (at += zipped === 0 ? raw : zipped));
      parts.push(zipped === 0 ? bytes : zstdDecompressSync(bytes));
    }
  };
  if (counts === streamCounts.elf) block(counts[0]);
  for (let made = 0; made < newSize;) {
    const size = number();
    made += size;
    parts.push(Buffer.from(coded(size)));
    block(counts[1]);
  }
  return Buffer.concat([...parts, delta.subarray(at)]);
}
