import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { checkTag, pushImages } from '../../src/release/push.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { putImage } from '../store/content.ts';
import { snapshot } from './setup.ts';

let folder: string;
let store: LayoutStore;
let elsewhere: LayoutStore;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imgbuild-push-'));
  store = new LayoutStore(join(folder, 'a'), 'oci:a');
  elsewhere = new LayoutStore(join(folder, 'b'), 'oci:b');
});
afterEach(() => rm(folder, { recursive: true }));

const image = (digest: `sha256:${string}`, tags: string[]) => ({
  name: 'service',
  repository: 'runtime',
  platforms: [{ platform: 'linux/amd64', digest }],
  tags,
});

test('a tag is put on a digest, moved, and left where it stands', async () => {
  const one = (await putImage(store, 'runtime', undefined, ['1'])).descriptor.digest;
  const two = (await putImage(store, 'runtime', undefined, ['2'])).descriptor.digest;
  const outcomes = async (digest: `sha256:${string}`) =>
    (await pushImages(store, [image(digest, ['x'])])).map(({ reference, outcome }) => `${reference} ${outcome}`);
  expect(await outcomes(one)).toEqual(['oci:a/runtime:x new']);
  expect(await outcomes(one)).toEqual(['oci:a/runtime:x present']);
  expect(await outcomes(two)).toEqual(['oci:a/runtime:x moved']);
  expect((await store.headManifest('runtime', 'x'))!.digest).toBe(two);
});

test('to another place comes all that the image names, below the path there', async () => {
  const source = await putImage(store, 'runtime', undefined, ['1', '2']);
  const target = { store: elsewhere, path: 'acme/public' };
  const [pushed] = await pushImages(store, [image(source.descriptor.digest, ['1.0.0'])], { target });
  expect(pushed).toMatchObject({ reference: 'oci:b/acme/public/runtime:1.0.0', outcome: 'new' });
  const found = (await elsewhere.getManifest('acme/public/runtime', '1.0.0'))!;
  expect(Buffer.from(found.bytes)).toEqual(Buffer.from(source.bytes));
  for (const blob of [...source.layers, source.config]) {
    const parts: Buffer[] = [];
    for await (const part of await elsewhere.openBlob('', blob)) parts.push(part as Buffer);
    expect(Buffer.concat(parts).length).toBe(blob.size);
  }
  const before = await snapshot(folder);
  const [again] = await pushImages(store, [image(source.descriptor.digest, ['1.0.0'])], { target });
  expect(again!.outcome).toBe('present');
  expect(await snapshot(folder)).toEqual(before);
});

test('no tag of any image is put when one of the images is missing', async () => {
  const one = (await putImage(store, 'runtime', undefined, ['1'])).descriptor.digest;
  const before = await snapshot(folder);
  const missing = { ...image(`sha256:${'0'.repeat(64)}`, ['x']), name: 'other' };
  await expect(pushImages(store, [image(one, ['x']), missing])).rejects.toMatchObject({
    because: expect.stringContaining('oci:a has no runtime@sha256:000'),
  });
  expect(await snapshot(folder)).toEqual(before);
});

test.each(['fp-1', 'inputs-x', 'last-main', '-x', '', 'a b', 'x'.repeat(129)])('the tag %j is refused', (tag) => {
  expect(() => checkTag(tag)).toThrow(/reading the tag/);
});
test.each(['1.2.0', 'v1.2.0', 'latest', '_x'])('the tag %j is taken as given', (tag) =>
  expect(checkTag(tag)).toBe(tag),
);
