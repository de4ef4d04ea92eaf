import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestOf, hexOf } from '../../src/oci/digest.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import type { StoredManifest } from '../../src/oci/manifest.ts';
import { parsePlatform } from '../../src/oci/platform.ts';

/** Blobs by digest, for a layout or a registry in memory. */
export type Blobs = Map<string, Uint8Array>;

function put(blobs: Blobs, mediaType: string, value: unknown): Descriptor {
  const bytes = Buffer.from(JSON.stringify(value));
  blobs.set(digestOf(bytes), bytes);
  return { mediaType, digest: digestOf(bytes), size: bytes.length };
}

/** An image without filesystem layers; its config is what a base's children inherit. */
export function putImage(blobs: Blobs, platform: string, config: Record<string, unknown> = {}): Descriptor {
  const value = { ...parsePlatform(platform), config, rootfs: { type: 'layers', diff_ids: [] } };
  const described = put(blobs, 'application/vnd.oci.image.config.v1+json', value);
  const manifest = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: described,
    layers: [],
  };
  return {
    ...put(blobs, manifest.mediaType, manifest),
    platform: parsePlatform(platform) as Descriptor['platform'] & {},
  };
}

export function putIndex(blobs: Blobs, manifests: Descriptor[]): Descriptor {
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  return put(blobs, mediaType, { schemaVersion: 2, mediaType, manifests });
}

export function stored(blobs: Blobs, { mediaType, digest, size }: Descriptor): StoredManifest {
  return { descriptor: { mediaType, digest, size }, bytes: blobs.get(digest)! };
}

/** Writes an OCI image layout (image-layout.md). */
export async function writeLayout(folder: string, blobs: Blobs, manifests: Descriptor[]): Promise<void> {
  await mkdir(join(folder, 'blobs/sha256'), { recursive: true });
  await writeFile(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  await writeFile(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
  for (const [digest, bytes] of blobs) {
    await writeFile(join(folder, 'blobs/sha256', hexOf(digest as `sha256:${string}`)), bytes);
  }
}
