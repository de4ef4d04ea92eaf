import { expect, test } from 'vitest';
import { keepDescriptors } from '../../src/build/keep-descriptors.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { digestOf } from '../../src/oci/digest.ts';
import type { ImageManifest } from '../../src/oci/manifest.ts';
import { mediaType } from '../../src/oci/media-type.ts';
import { stored } from '../store/content.ts';

const layer = (text: string): Descriptor => ({
  mediaType: mediaType.layerGzip,
  digest: digestOf(text),
  size: text.length,
});
const imageOf = (...layers: Descriptor[]) =>
  stored({ schemaVersion: 2, mediaType: mediaType.manifest, config: layer('config'), layers });
const layersOf = ({ bytes }: { bytes: Uint8Array }) =>
  (JSON.parse(Buffer.from(bytes).toString()) as ImageManifest).layers;
const diffIds = ['a', 'b', 'c'].map(digestOf);

test('filesystem layers of the parent keep its descriptors', () => {
  const image = imageOf(layer('a, packed otherwise'), layer('b.gz'), layer('c.gz'));
  const known = { diffIds: diffIds.slice(0, 2), descriptors: [layer('a.gz'), layer('b.gz')] };
  const kept = keepDescriptors(image, diffIds, known);
  expect(layersOf(kept)).toEqual([layer('a.gz'), layer('b.gz'), layer('c.gz')]);
  expect(kept.descriptor).toMatchObject({ digest: digestOf(kept.bytes), size: kept.bytes.length });
});

test('nothing is replaced where the lists do not run side by side', () => {
  const image = imageOf(layer('a.gz'), layer('b.gz'), layer('c.gz'));
  // The parent's manifest leaves out its first, empty filesystem layer.
  const known = { diffIds: diffIds.slice(0, 2), descriptors: [layer('b.gz')] };
  expect(keepDescriptors(image, diffIds, known)).toBe(image);
  const shorter = imageOf(layer('b.gz'), layer('c.gz'));
  const whole = { diffIds: diffIds.slice(0, 2), descriptors: [layer('a.gz'), layer('b.gz')] };
  expect(keepDescriptors(shorter, diffIds, whole)).toBe(shorter);
});
