import { parseManifest } from '../oci/parse-manifest.ts';
import type { Digest } from '../oci/digest.ts';
import type { LayerStore } from '../store/layer-store.ts';

/**
 * Bytes of the filesystem layers of these images, each blob once: what a run that builds all anew would have made and
 * moved. Asks for manifests only.
 */
export async function savedBytes(
  store: LayerStore,
  images: readonly { repository: string; digest: Digest }[],
): Promise<number> {
  const sizes = new Map<Digest, number>();
  const manifests = await Promise.all(images.map(({ repository, digest }) => store.getManifest(repository, digest)));
  for (const manifest of manifests) {
    if (manifest === undefined) continue;
    const parsed = parseManifest(manifest.bytes, manifest.descriptor.mediaType);
    if (parsed.kind === 'image') for (const { digest, size } of parsed.manifest.layers) sizes.set(digest, size);
  }
  return sizes.values().reduce((sum, size) => sum + size, 0);
}
