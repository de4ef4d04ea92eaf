import { Readable } from 'node:stream';
import { digestOf } from '../oci/digest.ts';
import type { BlobSource } from './layer-store.ts';

/** A small blob to put, whose bytes are at hand. Nobody may change them before it is put. */
export function inMemoryBlob(bytes: Uint8Array): BlobSource {
  const open = (offset = 0) =>
    Readable.from([Buffer.from(bytes.buffer, bytes.byteOffset + offset, bytes.length - offset)]);
  return { digest: digestOf(bytes), size: bytes.length, open };
}
