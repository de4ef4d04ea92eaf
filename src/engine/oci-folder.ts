import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../failure.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { digestOf, hexOf, type Digest } from '../oci/digest.ts';
import type { ImageConfig, ImageIndex, ImageManifest } from '../oci/manifest.ts';
import { isIndexType, mediaType } from '../oci/media-type.ts';
import { layoutMarker } from '../oci/layout-marker.ts';
import { parseManifest } from '../oci/parse-manifest.ts';
import { platformName, type Platform } from '../oci/platform.ts';
import { parseImageConfig } from './image-config.ts';

/** An image in an OCI layout's folder, its manifest and config checked against their digests. */
export interface FolderImage {
  descriptor: Descriptor;
  manifest: ImageManifest;
  bytes: Buffer;
  config: ImageConfig;
  configBytes: Buffer;
}

export function blobFile(folder: string, digest: Digest): string {
  return join(folder, 'blobs', 'sha256', hexOf(digest));
}

async function readBlob(folder: string, { digest }: Pick<Descriptor, 'digest'>): Promise<Buffer> {
  const path = blobFile(folder, digest);
  const wrong = (because: string, cause?: unknown) =>
    new Failure({ doing: `reading the image layout ${folder}`, because, fix: 'make the layout anew', cause });
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw wrong(`${path} is missing`, cause);
  });
  if (digestOf(bytes) !== digest) throw wrong(`${path} has other bytes than its name says`);
  return bytes;
}

/** The image of a manifest or, for the platform, of an index. Throws a Failure when a part is missing or damaged. */
export async function readFolderImage(
  folder: string,
  descriptor: Pick<Descriptor, 'digest' | 'mediaType'>,
  platform: Platform,
): Promise<FolderImage> {
  const bytes = await readBlob(folder, descriptor);
  const parsed = parseManifest(bytes, descriptor.mediaType);
  if (parsed.kind === 'index') {
    const wanted = platformName(platform);
    const entry = parsed.manifest.manifests.find((each) => each.platform && platformName(each.platform) === wanted);
    if (entry) return readFolderImage(folder, entry, platform);
    throw new Failure({
      doing: `reading the image layout ${folder}`,
      because: `${descriptor.digest} has no image for ${wanted}`,
      fix: 'add that platform to it, or take the platform out of `platforms:`',
    });
  }
  const configBytes = await readBlob(folder, parsed.manifest.config);
  return {
    descriptor: { mediaType: parsed.mediaType, digest: descriptor.digest, size: bytes.length },
    manifest: parsed.manifest,
    bytes,
    config: parseImageConfig(configBytes),
    configBytes,
  };
}

/** The one image that an engine wrote into the folder. */
export async function readBuiltFolder(folder: string, platform: Platform): Promise<FolderImage> {
  const index = JSON.parse(await readFile(join(folder, 'index.json'), 'utf8')) as ImageIndex;
  const [entry, ...others] = index.manifests;
  if (entry && others.length === 0) return readFolderImage(folder, entry, platform);
  throw new Failure({
    doing: 'reading what the engine built',
    because: `its layout names ${index.manifests.length} images instead of one (${index.manifests.filter((each) => isIndexType(each.mediaType)).length} of them indexes)`,
    fix: 'report it together with the versions that `imgbuild doctor` shows',
  });
}

/** Writes an image whose filesystem layers are in the folder, or need not be, and makes it the folder's only one. */
export async function writeFolderImage(
  folder: string,
  image: { layers: readonly Descriptor[]; config: Uint8Array; platform: Platform },
): Promise<Descriptor> {
  const put = async (type: string, bytes: Uint8Array): Promise<Descriptor> => {
    const digest = digestOf(bytes);
    await writeFile(blobFile(folder, digest), bytes);
    return { mediaType: type, digest, size: bytes.length };
  };
  const config = await put(mediaType.config, image.config);
  const manifest = { schemaVersion: 2, mediaType: mediaType.manifest, config, layers: image.layers };
  const written = await put(mediaType.manifest, Buffer.from(JSON.stringify(manifest)));
  const descriptor = { ...written, platform: { ...image.platform } };
  const index = { schemaVersion: 2, mediaType: mediaType.index, manifests: [descriptor] };
  await writeFile(join(folder, 'index.json'), JSON.stringify(index));
  await writeFile(join(folder, 'oci-layout'), layoutMarker);
  return descriptor;
}
