import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { BrokenContent } from '../../src/oci/broken-content.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { inMemoryBlob } from '../../src/store/in-memory-blob.ts';
import { readBlob } from '../../src/store/read-blob.ts';

const bytes = Buffer.from('{"os":"linux"}');
const descriptor = { mediaType: 'application/json', digest: digestOf(bytes), size: bytes.length };

test('a small blob is read whole, from several chunks', async () => {
  const open = async () => Readable.from([bytes.subarray(0, 3), bytes.subarray(3)]);
  expect(await readBlob(descriptor, open)).toEqual(bytes);
});

test('a blob that claims to be larger than a document is not even opened', async () => {
  const open = () => Promise.reject(new Error('opened'));
  const read = readBlob({ ...descriptor, size: 8 * 1024 * 1024 + 1 }, open);
  await expect(read).rejects.toThrow(BrokenContent);
});

test('a blob in memory is opened again from any byte, also where its bytes lie inside a larger buffer', async () => {
  const blob = inMemoryBlob(Buffer.concat([Buffer.from('before'), bytes]).subarray(6));
  expect(blob).toMatchObject({ digest: descriptor.digest, size: descriptor.size });
  expect(Buffer.concat(await blob.open().toArray())).toEqual(bytes);
  expect(Buffer.concat(await blob.open(5).toArray())).toEqual(bytes.subarray(5));
});
