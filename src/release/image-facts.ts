import { Failure } from '../failure.ts';
import type { Digest } from '../oci/digest.ts';
import type { ImageConfig } from '../oci/manifest.ts';
import { largestManifest, parseManifest } from '../oci/parse-manifest.ts';
import type { LayerStore } from '../store/layer-store.ts';
import { readBlob } from '../store/read-blob.ts';

/** Config digest and diffIDs of an image in the store. Reads its manifest and its config, no filesystem layer. */
export async function imageFacts(
  store: LayerStore,
  repository: string,
  digest: Digest,
): Promise<{ config: Digest; diffIds: Digest[] }> {
  const broken = (because: string, cause?: unknown) =>
    new Failure({
      doing: `reading ${repository}@${digest} in ${store.name}`,
      because,
      fix: 'build the layer again with `imgbuild build --force`',
      cause,
    });
  const manifest = await store.getManifest(repository, digest);
  if (!manifest) throw broken('it is not there');
  const parsed = parseManifest(manifest.bytes, manifest.descriptor.mediaType);
  if (parsed.kind !== 'image') throw broken('it is an index, not the image of one platform');
  const { config } = parsed.manifest;
  if (config.size > largestManifest) throw broken(`its config has ${config.size} bytes`);
  const bytes = await readBlob(config, (wanted) => store.openBlob(repository, wanted));
  let value: ImageConfig;
  try {
    value = JSON.parse(bytes.toString('utf8')) as ImageConfig;
  } catch (error) {
    throw broken('its config is not JSON', error);
  }
  return { config: config.digest, diffIds: value.rootfs.diff_ids };
}
