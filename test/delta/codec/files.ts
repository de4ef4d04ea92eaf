import { createHash } from 'node:crypto';
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
