import type { KnownLayers } from '../engine/engine.ts';
import { digestOf, type Digest } from '../oci/digest.ts';
import type { ImageManifest, StoredManifest } from '../oci/manifest.ts';

/**
 * The manifest with the parent's descriptors for the filesystem layers that it begins with. A builder that knows another
 * compression of the same diffIDs may name that one: the same bytes would be stored, sent and kept by devices twice.
 * `diffIds` are those of the image; they begin with the known ones.
 */
export function keepDescriptors(image: StoredManifest, diffIds: readonly Digest[], known: KnownLayers): StoredManifest {
  const manifest = JSON.parse(Buffer.from(image.bytes).toString('utf8')) as ImageManifest;
  // A filesystem layer without changes may be left out of a manifest: then the two lists do not run side by side.
  if (manifest.layers.length !== diffIds.length || known.descriptors.length !== known.diffIds.length) return image;
  const layers = manifest.layers.map((layer, index) => known.descriptors[index] ?? layer);
  if (layers.every((layer, index) => layer.digest === manifest.layers[index]!.digest)) return image;
  const bytes = Buffer.from(JSON.stringify({ ...manifest, layers }));
  return { descriptor: { ...image.descriptor, digest: digestOf(bytes), size: bytes.length }, bytes };
}
