import type { Readable } from 'node:stream';
import { BrokenContent } from '../oci/broken-content.ts';
import type { Descriptor } from '../oci/descriptor.ts';

/** In bytes. Image configs and documents are small; whatever claims to be larger is none. */
const largest = 8 * 1024 * 1024;

/**
 * A small blob as a whole; `open` gives its verified bytes. Throws BrokenContent, and opens nothing, when the blob has
 * more than 8 MiB.
 */
export async function readBlob(blob: Descriptor, open: (blob: Descriptor) => Promise<Readable>): Promise<Buffer> {
  if (blob.size > largest) {
    throw new BrokenContent({
      doing: `reading the blob ${blob.digest}`,
      because: `it has ${blob.size} bytes, more than the ${largest} that a document may have`,
      fix: 'have the image that names it made or published anew',
    });
  }
  const chunks: Buffer[] = [];
  for await (const chunk of await open(blob)) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
