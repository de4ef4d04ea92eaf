import type { Descriptor } from '../oci/descriptor.ts';
import { digestOf } from '../oci/digest.ts';
import type { ImageIndex, StoredManifest } from '../oci/manifest.ts';
import { mediaType } from '../oci/media-type.ts';
import { parsePlatform, type PlatformName } from '../oci/platform.ts';

/** OCI image spec, image-index.md. The same images give the same bytes: they are sorted by platform. */
export function imageIndex(images: readonly { platform: PlatformName; manifest: Descriptor }[]): StoredManifest {
  const manifests = images
    .toSorted((a, b) => (a.platform < b.platform ? -1 : 1))
    .map(({ platform, manifest }): Descriptor => ({
      mediaType: manifest.mediaType,
      digest: manifest.digest,
      size: manifest.size,
      platform: { ...parsePlatform(platform) },
    }));
  const index: ImageIndex = { schemaVersion: 2, mediaType: mediaType.index, manifests };
  const bytes = Buffer.from(JSON.stringify(index));
  return { descriptor: { mediaType: mediaType.index, digest: digestOf(bytes), size: bytes.length }, bytes };
}
