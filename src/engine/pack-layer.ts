import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { temporaryName } from '../files/durable-write.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { hexOf, parseDigest, type Digest } from '../oci/digest.ts';
import { mediaType } from '../oci/media-type.ts';
import { parallelGzip } from './parallel-gzip.ts';

export interface PackedLayer {
  descriptor: Descriptor;
  diffId: Digest;
}

/** Compresses the tar of a filesystem layer into a blob of `blobs` (an OCI layout's folder) and hashes both on the way. */
export async function packLayer(tar: AsyncIterable<Buffer>, blobs: string, signal?: AbortSignal): Promise<PackedLayer> {
  const plain = createHash('sha256');
  const packed = createHash('sha256');
  let size = 0;
  async function* hashed(): AsyncGenerator<Buffer> {
    for await (const chunk of tar) {
      plain.update(chunk);
      yield chunk;
    }
  }
  async function* counted(): AsyncGenerator<Buffer> {
    for await (const chunk of parallelGzip(hashed())) {
      packed.update(chunk);
      size += chunk.length;
      yield chunk;
    }
  }
  const temporary = temporaryName(blobs);
  await pipeline(counted, createWriteStream(temporary), signal === undefined ? {} : { signal });
  const digest = parseDigest(`sha256:${packed.digest('hex')}`);
  await rename(temporary, join(blobs, hexOf(digest)));
  const diffId = parseDigest(`sha256:${plain.digest('hex')}`);
  return { descriptor: { mediaType: mediaType.layerGzip, digest, size }, diffId };
}
