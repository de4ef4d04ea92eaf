import { createHash } from 'node:crypto';
import { Failure } from '../failure.ts';
import { digestOf, isDigest, type Digest } from '../oci/digest.ts';
import type { ImageConfig } from '../oci/manifest.ts';
import { mediaType } from '../oci/media-type.ts';
import type { Platform } from '../oci/platform.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { SourceImage } from './image.ts';
import { readMember, type MemberStore } from './member-store.ts';
import { documentLimit, isOciLayout, manifestOf, openOciLayout, sourceImage, type BlobReader } from './oci-layout.ts';

/** An element of manifest.json as `docker save` writes it (moby, image/tarexport). */
interface SavedImage {
  Config: string;
  RepoTags?: string[] | null;
  Layers?: string[] | null;
}

/**
 * Opens one image of what `docker save` wrote. Newer engines write an OCI layout into the same archive, which is
 * preferred: it names the blobs that the engine has. `reference` chooses among several images.
 */
export async function openDockerArchive(
  members: MemberStore,
  options: { name: string; reference?: string; platform: Platform },
): Promise<SourceImage> {
  const bytes = await readMember(members, 'manifest.json', documentLimit);
  const saved = bytes === undefined ? undefined : parse(bytes, options.name);
  const found = saved && pick(saved, options);
  // Of several names of one image, the one that was asked for.
  const tag = found && (options.reference ?? found.RepoTags?.[0]);
  if (await isOciLayout(members)) {
    // With one image in the archive, its tag there need not be written as the caller wrote it.
    const { reference, ...rest } = options;
    const several = saved === undefined || saved.length > 1;
    const layout = await openOciLayout(members, several && reference !== undefined ? options : rest);
    if (await hasAllLayers(members, layout)) return { ...layout, ...(tag === undefined ? {} : { reference: tag }) };
  }
  if (found === undefined) throw broken(options.name, 'manifest.json is missing: no `docker save` archive');
  const config = await readMember(members, found.Config, documentLimit);
  if (config === undefined) throw broken(options.name, `the image config ${found.Config} is missing`);
  const diffIds = diffIdsOf(config, options.name);
  const paths = found.Layers ?? [];
  if (paths.length !== diffIds.length) {
    throw broken(options.name, `manifest.json names ${paths.length} filesystem layers, the config ${diffIds.length}`);
  }
  const layers: Descriptor[] = [];
  for (const [at, digest] of diffIds.entries()) {
    const size = await members.size(paths[at]!);
    if (size === undefined) throw broken(options.name, `the filesystem layer ${paths[at]} is missing`);
    layers.push(await layerDescriptor(members, paths[at]!, size, digest));
  }
  const blobs: BlobReader = {
    name: options.name,
    open: async ({ digest }) => members.open(paths[layers.findIndex((layer) => layer.digest === digest)]!),
  };
  const descriptor = { mediaType: mediaType.config, digest: digestOf(config), size: config.length };
  const manifest = manifestOf(descriptor, layers);
  const image = sourceImage(blobs, { ...options, manifest, layers }, descriptor, config);
  return { ...image, ...(tag === undefined ? {} : { reference: tag }), close: () => members.close() };
}

/** Docker saves plain tars; other writers of this format compress them. */
async function layerDescriptor(members: MemberStore, path: string, size: number, diffId: Digest): Promise<Descriptor> {
  const hash = createHash('sha256');
  let type: string | undefined;
  for await (const chunk of (await members.open(path))!) {
    type ??= compressedType(chunk);
    if (type === undefined) return { mediaType: mediaType.layerTar, digest: diffId, size };
    hash.update(chunk);
  }
  return { mediaType: type ?? mediaType.layerTar, digest: `sha256:${hash.digest('hex')}`, size };
}

function compressedType(head: Buffer): string | undefined {
  if (head.length >= 2 && head.readUInt16BE(0) === 0x1f8b) return mediaType.layerGzip;
  if (head.length >= 4 && head.readUInt32LE(0) === 0xfd2fb528) return mediaType.layerZstd;
  return undefined;
}

async function hasAllLayers(members: MemberStore, image: SourceImage): Promise<boolean> {
  for (const { descriptor } of image.layers) {
    if ((await members.size(`blobs/sha256/${descriptor.digest.slice(7)}`)) === undefined) return false;
  }
  return true;
}

function parse(bytes: Buffer, name: string): SavedImage[] {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    if (Array.isArray(value) && value.every((each) => typeof each?.Config === 'string')) return value as SavedImage[];
  } catch {
    // Said below.
  }
  throw broken(name, 'its manifest.json is not what `docker save` writes');
}

function pick(saved: SavedImage[], options: { name: string; reference?: string }): SavedImage {
  const { reference } = options;
  const named = saved.filter(
    (each) => reference === undefined || (each.RepoTags ?? []).some((tag) => tag === reference),
  );
  if (named.length === 1) return named[0]!;
  const only = saved.length === 1 ? saved[0] : undefined;
  if (only !== undefined && reference === undefined) return only;
  const tags = saved.flatMap((each) => each.RepoTags ?? []);
  throw new Failure({
    doing: `opening ${options.name}`,
    because: named.length === 0 ? `it has no image ${reference}` : 'it has several images and none was named',
    ...(tags.length === 0 ? {} : { fix: `name one of ${tags.slice(0, 10).join(', ')} after the path and a colon` }),
    kind: 'input',
  });
}

function diffIdsOf(config: Buffer, name: string) {
  let value: ImageConfig | undefined;
  try {
    value = JSON.parse(config.toString('utf8')) as ImageConfig;
  } catch {
    // Said below.
  }
  const ids = value?.rootfs?.diff_ids;
  if (!Array.isArray(ids) || !ids.every((id) => typeof id === 'string' && isDigest(id))) {
    throw broken(name, 'its config names no filesystem layers');
  }
  return ids;
}

function broken(name: string, because: string): Failure {
  return new Failure({ doing: `opening ${name}`, because, fix: 'save the image anew', kind: 'input' });
}
