import { Failure } from '../failure.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { digestOf, hexOf, isDigest, type Digest } from '../oci/digest.ts';
import type { ImageConfig, ImageIndex, ImageManifest } from '../oci/manifest.ts';
import { isIndexType, mediaType } from '../oci/media-type.ts';
import { platformName, samePlatform, type Platform } from '../oci/platform.ts';
import type { ByteStream, SourceImage } from './image.ts';
import { readMember, type MemberStore } from './member-store.ts';
import { decompressed, verified } from './verified.ts';

/** Manifests, indexes and image configs are held in memory; registries accept 4 MiB. */
export const documentLimit = 4 * 1024 * 1024;

const referenceAnnotation = 'org.opencontainers.image.ref.name';
const containerdName = 'io.containerd.image.name';

/** How blobs of an image are had, wherever they lie. Missing is undefined. */
export interface BlobReader {
  /** For messages. */
  name: string;
  open(descriptor: Descriptor): Promise<ByteStream | undefined>;
}

/** True when the folder or archive says that it is an OCI image layout (image-layout.md). */
export async function isOciLayout(members: MemberStore): Promise<boolean> {
  return (await members.size('oci-layout')) !== undefined && (await members.size('index.json')) !== undefined;
}

/**
 * Opens one image of a layout. `reference` is the value of its ref.name annotation, or a manifest digest; none is
 * needed where the layout has one image.
 */
export async function openOciLayout(
  members: MemberStore,
  options: { name: string; reference?: string; platform: Platform },
): Promise<SourceImage> {
  const bytes = await readMember(members, 'index.json', documentLimit);
  if (bytes === undefined || !(await isOciLayout(members))) {
    throw broken(options.name, 'it is no OCI layout: oci-layout or index.json is missing', 'check the path');
  }
  const index = parseJson<ImageIndex>(bytes, options.name, 'index.json');
  const chosen = choose(index, options);
  const blobs: BlobReader = {
    name: options.name,
    open: (descriptor) => members.open(`blobs/sha256/${hexOf(descriptor.digest)}`),
  };
  const reference = chosen.annotations?.[containerdName] ?? chosen.annotations?.[referenceAnnotation];
  const image = await openFromBlobs(blobs, chosen, options);
  return {
    ...image,
    // A bare word may be a tag or anything else: only what has a tag names an image.
    ...(reference !== undefined && reference.includes(':') && !isDigest(reference) ? { reference } : {}),
    close: () => members.close(),
  };
}

/** Opens the image under a descriptor: a manifest, or an index from which the platform's manifest is taken. */
export async function openFromBlobs(
  blobs: BlobReader,
  root: Descriptor,
  options: { name: string; platform: Platform },
): Promise<SourceImage> {
  let descriptor = root;
  let bytes = await document(blobs, descriptor, 'manifest');
  for (let depth = 0; isIndexDocument(descriptor, bytes); depth++) {
    if (depth === 3) throw broken(blobs.name, 'indexes point to indexes, more than three deep');
    const index = parseJson<ImageIndex>(bytes, blobs.name, 'index');
    descriptor = ofPlatform(index, options);
    bytes = await document(blobs, descriptor, 'manifest');
  }
  const manifest = parseJson<ImageManifest>(bytes, blobs.name, 'manifest');
  if (!isDescriptor(manifest.config) || !Array.isArray(manifest.layers) || !manifest.layers.every(isDescriptor)) {
    throw broken(blobs.name, `${descriptor.digest} is no image manifest`);
  }
  const config = await document(blobs, manifest.config, 'image config');
  return sourceImage(
    blobs,
    { ...options, manifest: { descriptor, bytes }, layers: manifest.layers },
    manifest.config,
    config,
  );
}

/** Joins manifest and config to an image whose layers are opened through `blobs`. */
export function sourceImage(
  blobs: BlobReader,
  image: { name: string; platform: Platform; manifest: SourceImage['manifest']; layers: Descriptor[] },
  configDescriptor: Descriptor,
  config: Buffer,
): SourceImage {
  const value = parseJson<ImageConfig>(config, image.name, 'image config');
  const diffIds = value.rootfs?.diff_ids;
  if (!Array.isArray(diffIds) || !diffIds.every((id) => typeof id === 'string' && isDigest(id))) {
    throw broken(image.name, 'its config names no filesystem layers: it is an artifact, not an image', 'name an image');
  }
  if (diffIds.length !== image.layers.length) {
    throw broken(image.name, `its manifest has ${image.layers.length} filesystem layers, its config ${diffIds.length}`);
  }
  const platform: Platform = { os: value.os, architecture: value.architecture };
  if (value.variant !== undefined && value.variant !== '') platform.variant = value.variant;
  return {
    name: image.name,
    platform,
    manifest: image.manifest,
    config: { descriptor: configDescriptor, bytes: config, value },
    layers: image.layers.map((descriptor, at) => layerOf(blobs, descriptor, diffIds[at]!)),
    async close() {},
  };
}

function layerOf(blobs: BlobReader, descriptor: Descriptor, diffId: Digest): SourceImage['layers'][number] {
  const what = `filesystem layer ${descriptor.digest} of ${blobs.name}`;
  const blob = async function* () {
    const source = await blobs.open(descriptor);
    if (source === undefined) throw broken(blobs.name, `the filesystem layer ${descriptor.digest} is missing`);
    yield* verified(source, descriptor, what);
  };
  return {
    diffId,
    descriptor,
    blob,
    tar: () => verified(decompressed(blob(), what), { digest: diffId }, `${what}, unpacked`),
  };
}

async function document(blobs: BlobReader, descriptor: Descriptor, kind: string): Promise<Buffer> {
  if (descriptor.size > documentLimit) throw broken(blobs.name, `the ${kind} has ${descriptor.size} bytes`);
  const source = await blobs.open(descriptor);
  if (source === undefined) throw broken(blobs.name, `the ${kind} ${descriptor.digest} is missing`);
  const parts: Buffer[] = [];
  for await (const chunk of verified(source, descriptor, `${kind} ${descriptor.digest} of ${blobs.name}`)) {
    parts.push(chunk);
  }
  return Buffer.concat(parts);
}

function choose(index: ImageIndex, options: { name: string; reference?: string; platform: Platform }): Descriptor {
  const manifests = Array.isArray(index.manifests) ? index.manifests.filter(isDescriptor) : [];
  const { reference } = options;
  const named = manifests.filter(
    (each) =>
      reference === undefined ||
      each.digest === reference ||
      each.annotations?.[referenceAnnotation] === reference ||
      each.annotations?.[containerdName] === reference,
  );
  const fitting = named.length > 1 ? named.filter((each) => fits(each, options.platform)) : named;
  if (fitting.length === 1) return fitting[0]!;
  const names = manifests.map((each) => each.annotations?.[referenceAnnotation] ?? each.digest);
  throw new Failure({
    doing: `opening ${options.name}`,
    because:
      fitting.length === 0
        ? `it has no image ${reference ?? ''} for ${platformName(options.platform)}`
        : 'it has several images and none was named',
    ...(names.length === 0 ? {} : { fix: `name one of ${names.slice(0, 10).join(', ')} after the path and a colon` }),
    kind: 'input',
  });
}

function ofPlatform(index: ImageIndex, options: { name: string; platform: Platform }): Descriptor {
  const images = (Array.isArray(index.manifests) ? index.manifests : [])
    .filter(isDescriptor)
    .filter((each) => each.platform?.os !== 'unknown' && each.artifactType === undefined);
  const exact = images.find((each) => each.platform !== undefined && fits(each, options.platform));
  const only = images.length === 1 ? images[0] : undefined;
  const found = exact ?? (only?.platform === undefined ? only : undefined);
  if (found !== undefined) return found;
  const has = images.map((each) => (each.platform ? platformName(each.platform) : each.digest)).join(', ');
  throw new Failure({
    doing: `opening ${options.name}`,
    because: `it has no image for ${platformName(options.platform)}`,
    fix: has === '' ? 'it has none at all' : `give --platform one of ${has}`,
    kind: 'input',
  });
}

function fits(descriptor: Descriptor, platform: Platform): boolean {
  return descriptor.platform === undefined || samePlatform(descriptor.platform, platform);
}

function isIndexDocument(descriptor: Descriptor, bytes: Buffer): boolean {
  if (isIndexType(descriptor.mediaType)) return true;
  return descriptor.mediaType === '' && bytes.includes('"manifests"');
}

function isDescriptor(value: unknown): value is Descriptor {
  if (typeof value !== 'object' || value === null) return false;
  const { digest, size } = value as Partial<Descriptor>;
  return typeof digest === 'string' && isDigest(digest) && Number.isSafeInteger(size) && size! >= 0;
}

function parseJson<T>(bytes: Buffer, name: string, kind: string): T {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    if (typeof value === 'object' && value !== null) return value as T;
  } catch {
    // Said below.
  }
  throw broken(name, `its ${kind} is no JSON document`);
}

function broken(name: string, because: string, fix = 'fetch or make the image anew'): Failure {
  return new Failure({ doing: `opening ${name}`, because, fix, kind: 'input' });
}

/** A manifest for an image that came without one: its layers are the uncompressed tars. */
export function manifestOf(config: Descriptor, layers: Descriptor[]): SourceImage['manifest'] {
  const manifest: ImageManifest = { schemaVersion: 2, mediaType: mediaType.manifest, config, layers };
  const bytes = Buffer.from(JSON.stringify(manifest));
  return { descriptor: { mediaType: mediaType.manifest, digest: digestOf(bytes), size: bytes.length }, bytes };
}
