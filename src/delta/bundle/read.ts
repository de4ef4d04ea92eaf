import { Failure } from '../../failure.ts';
import type { ByteStream } from '../../image-source/image.ts';
import { openTarFile, readMember, type MemberStore } from '../../image-source/member-store.ts';
import { documentLimit } from '../../image-source/oci-layout.ts';
import { verified } from '../../image-source/verified.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { isDigest, type Digest } from '../../oci/digest.ts';
import type { ImageConfig, ImageIndex, ImageManifest } from '../../oci/manifest.ts';
import type { Platform } from '../../oci/platform.ts';
import {
  annotation,
  artifactType,
  blobName,
  layerDeltaType,
  knownVersion,
  ownAnnotation,
  ownArtifactType,
  signatureName,
  sourcesType,
  tarDiffType,
  type DeltaFormat,
} from './format.ts';
import { packagesArtifactType, readPackages, type BundlePackage } from './packages.ts';

/** A filesystem layer of the target: from the source image, or out of the bundle. */
export interface TargetLayer {
  diffId: Digest;
  /** As the target's manifest names it. */
  descriptor: Descriptor;
  carried:
    | { kind: 'reused' }
    /** `uncompressedSize` in bytes, where the bundle says it. */
    | { kind: 'delta'; format: DeltaFormat; blob: Descriptor; uncompressedSize?: number }
    | { kind: 'whole'; blob: Descriptor; uncompressedSize?: number };
}

export interface BundleImage {
  /** Undefined in bundles that start from nothing. */
  source: { config: Digest; manifest?: Digest; diffIds?: Digest[] } | undefined;
  manifest: { descriptor: Descriptor; bytes: Buffer };
  config: { descriptor: Descriptor; bytes: Buffer; value: ImageConfig };
  platform: Platform;
  layers: TargetLayer[];
  /** What layer deltas read from; there where one is carried. */
  sources: Descriptor | undefined;
  /** The version that it takes to read it. */
  needs: number;
  /** What the bundle says of its bytes, which nobody needs to apply it: whether it is right is not looked at here. */
  accounts: Descriptor[];
  name: string | undefined;
  from: string | undefined;
  to: string | undefined;
  reference: string | undefined;
}

/** A bundle whose signature, manifests and configs have been read; filesystem layers are read when asked for. */
export interface Bundle {
  path: string;
  /** The bytes that are signed. */
  index: Buffer;
  /** Undefined where there is none. */
  signature: Buffer | undefined;
  /** Reads manifests and configs, each checked against its digest. Call it once the signature has been judged. */
  images(): Promise<BundleImage[]>;
  /** Reads the list of the release's packages; none where the bundle says nothing of them. */
  packages(): Promise<BundlePackage[]>;
  /** Checked by size and digest while it is read. */
  blob(descriptor: Descriptor): ByteStream;
  close(): Promise<void>;
}

/** Images of one bundle, and filesystem layers of one image: Docker allows 127. */
const imageLimit = 64;
const layerLimit = 1024;
const signatureLimit = 64 * 1024;

/**
 * Throws a Failure when the file is no bundle, or one of another kind. Holds the file open until `close`. Blobs end with
 * the signal's reason once it is aborted.
 */
export async function openBundle(path: string, signal: AbortSignal): Promise<Bundle> {
  const members = await openTarFile(path);
  try {
    const index = await readMember(members, 'index.json', documentLimit);
    if (index === undefined || (await members.size('oci-layout')) === undefined) {
      throw broken(path, 'it is no bundle: oci-layout or index.json is missing');
    }
    const signature = await readMember(members, signatureName, signatureLimit);
    return {
      path,
      index,
      signature,
      images: () => readImages(members, path, index),
      packages: () => packagesOf(members, path, index),
      blob: (descriptor) => stoppable(openBlob(members, path, descriptor), signal),
      close: () => members.close(),
    };
  } catch (error) {
    await members.close();
    throw error;
  }
}

async function* stoppable(bytes: ByteStream, signal: AbortSignal) {
  for await (const chunk of bytes) {
    signal.throwIfAborted();
    yield chunk;
  }
}

async function* openBlob(members: MemberStore, path: string, descriptor: Descriptor) {
  const source = await members.open(blobName(descriptor.digest));
  if (source === undefined) throw broken(path, `the blob ${descriptor.digest} is missing`);
  yield* verified(source, descriptor, `the blob ${descriptor.digest} of ${path}`);
}

/** Those of index.json for images, and those for packages. */
function manifestsOf(path: string, indexBytes: Buffer): { images: Descriptor[]; packages: Descriptor[] } {
  const index = parse(path, indexBytes, 'index.json') as Partial<ImageIndex>;
  const manifests = Array.isArray(index.manifests) ? index.manifests : [];
  if (manifests.length > imageLimit + 1 || !manifests.every(isDescriptor)) throw broken(path, namesNoDelta);
  const isOfPackages = ({ artifactType: type }: Descriptor) => type === packagesArtifactType;
  return { images: manifests.filter((each) => !isOfPackages(each)), packages: manifests.filter(isOfPackages) };
}

const namesNoDelta = 'its index.json names no delta';

async function packagesOf(members: MemberStore, path: string, indexBytes: Buffer): Promise<BundlePackage[]> {
  const [descriptor, second] = manifestsOf(path, indexBytes).packages;
  if (descriptor === undefined) return [];
  if (second !== undefined) throw broken(path, 'it has two lists of packages');
  return readPackages(descriptor, (blob) => document(members, path, blob)).catch((error: Error) => {
    throw error instanceof RangeError ? broken(path, `its list of packages: ${error.message}`) : error;
  });
}

async function readImages(members: MemberStore, path: string, indexBytes: Buffer): Promise<BundleImage[]> {
  const { images: manifests } = manifestsOf(path, indexBytes);
  if (manifests.length === 0 || manifests.length > imageLimit) throw broken(path, namesNoDelta);
  const images: BundleImage[] = [];
  for (const descriptor of manifests) images.push(await readImage(members, path, descriptor));
  return images;
}

async function readImage(members: MemberStore, path: string, descriptor: Descriptor): Promise<BundleImage> {
  const delta = parse(path, await document(members, path, descriptor), 'delta') as Partial<ImageManifest>;
  if (delta.artifactType !== artifactType && delta.artifactType !== ownArtifactType) {
    throw broken(path, `it holds ${delta.artifactType ?? 'an image'}, not a delta that can be read`);
  }
  const layers = Array.isArray(delta.layers) ? delta.layers : [];
  if (layers.length > layerLimit || !layers.every(isDescriptor)) throw broken(path, 'its delta names no blobs');
  const annotations = strings(delta.annotations);
  const only = (content: string) => {
    const found = layers.filter((layer) => layer.annotations?.[annotation.content] === content);
    if (found.length !== 1) throw broken(path, `its delta has ${found.length} entries of ${content}, not one`);
    return found[0]!;
  };
  const manifestDescriptor = only('image-manifest');
  const manifestBytes = await document(members, path, manifestDescriptor);
  const manifest = parse(path, manifestBytes, 'target manifest') as Partial<ImageManifest>;
  const configDescriptor = only('image-config');
  const configBytes = await document(members, path, configDescriptor);
  const config = parse(path, configBytes, 'target config') as unknown as ImageConfig;
  const diffIds = config.rootfs?.diff_ids;
  const targets = manifest.layers;
  if (manifest.config?.digest !== configDescriptor.digest) {
    throw broken(path, 'its target manifest and config do not belong together');
  }
  if (!Array.isArray(diffIds) || !diffIds.every((id) => typeof id === 'string' && isDigest(id))) {
    throw broken(path, 'its target config names no filesystem layers');
  }
  if (!Array.isArray(targets) || !targets.every(isDescriptor) || targets.length !== diffIds.length) {
    throw broken(path, 'its target manifest and config have different numbers of filesystem layers');
  }
  const carried = new Map<string, Descriptor>();
  for (const layer of layers) {
    if (layer.annotations?.[annotation.content] !== 'image-layer') continue;
    const to = layer.annotations[annotation.to];
    if (to !== undefined) carried.set(to, layer);
  }
  const reused = digests(path, annotations[annotation.reusedDiffId]);
  const target = targets.map((layer, at): TargetLayer => {
    const diffId = diffIds[at]!;
    const blob = carried.get(layer.digest);
    if (blob === undefined) {
      if (reused !== undefined && !reused.includes(diffId)) {
        throw broken(path, `the filesystem layer ${diffId} is neither in it nor in the source image`);
      }
      return { diffId, descriptor: layer, carried: { kind: 'reused' } };
    }
    const format = formatOf(blob, delta.artifactType!);
    if (format === undefined && blob.digest !== layer.digest) {
      throw broken(path, `the filesystem layer ${layer.digest} is sent as ${blob.mediaType}, which cannot be read`);
    }
    const text = blob.annotations?.[ownAnnotation.size];
    const size = text !== undefined && /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined;
    const common = { blob, ...(size === undefined ? {} : { uncompressedSize: size }) };
    const how = format === undefined ? { kind: 'whole' as const } : { kind: 'delta' as const, format };
    return { diffId, descriptor: layer, carried: { ...how, ...common } };
  });
  const platform: Platform = { os: config.os, architecture: config.architecture };
  if (config.variant) platform.variant = config.variant;
  return {
    source: sourceOf(path, annotations),
    manifest: { descriptor: manifestDescriptor, bytes: manifestBytes },
    config: { descriptor: configDescriptor, bytes: configBytes, value: config },
    platform,
    layers: target,
    sources: target.some(({ carried: each }) => each.kind === 'delta' && each.format === 'imgbuild')
      ? sourcesOf(path, only('sources'))
      : undefined,
    accounts:
      delta.artifactType === ownArtifactType
        ? layers.filter((layer) => layer.annotations?.[annotation.content] === 'account')
        : [],
    name: annotations[ownAnnotation.name],
    from: annotations[ownAnnotation.from],
    to: annotations[ownAnnotation.to],
    reference: annotations[ownAnnotation.reference],
    needs: needsOf(path, annotations[ownAnnotation.needs]),
  };
}

/** Undefined for a filesystem layer as it is; layer deltas are in bundles of our own type alone. */
function formatOf({ mediaType }: Descriptor, type: string): DeltaFormat | undefined {
  if (mediaType === tarDiffType) return 'tar-diff';
  return mediaType === layerDeltaType && type === ownArtifactType ? 'imgbuild' : undefined;
}

/** Told before any filesystem layer is read. */
function needsOf(path: string, text = '1'): number {
  const needs = /^[1-9][0-9]{0,3}$/.test(text) ? Number(text) : Infinity;
  if (needs <= knownVersion) return needs;
  throw broken(
    path,
    `it needs a program that reads version ${text} of layer deltas, and this one reads up to ${knownVersion}`,
  );
}

function sourcesOf(path: string, descriptor: Descriptor): Descriptor {
  if (descriptor.mediaType === sourcesType) return descriptor;
  throw broken(path, `its sources are ${descriptor.mediaType}, which cannot be read`);
}

function sourceOf(path: string, annotations: Record<string, string>): BundleImage['source'] {
  const config = annotations[annotation.sourceConfig];
  if (config === undefined) return undefined;
  if (!isDigest(config)) throw broken(path, `its source is ${JSON.stringify(config.slice(0, 80))}, which is no digest`);
  const manifest = annotations[annotation.source];
  const diffIds = digests(path, annotations[ownAnnotation.sourceDiffIds]);
  return {
    config,
    ...(manifest !== undefined && isDigest(manifest) ? { manifest } : {}),
    ...(diffIds === undefined ? {} : { diffIds }),
  };
}

function digests(path: string, text: string | undefined): Digest[] | undefined {
  if (text === undefined) return undefined;
  const value = parse(path, Buffer.from(text), 'list of filesystem layers') as unknown;
  if (!Array.isArray(value) || !value.every((each) => typeof each === 'string' && isDigest(each))) {
    throw broken(path, 'a list of filesystem layers holds other things than digests');
  }
  return value as Digest[];
}

async function document(members: MemberStore, path: string, descriptor: Descriptor): Promise<Buffer> {
  if (descriptor.size > documentLimit) throw broken(path, `a document has ${descriptor.size} bytes`);
  const parts: Buffer[] = [];
  for await (const chunk of openBlob(members, path, descriptor)) parts.push(chunk);
  return Buffer.concat(parts);
}

function strings(value: unknown): Record<string, string> {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(Object.entries(value).filter((entry) => typeof entry[1] === 'string')) as Record<
    string,
    string
  >;
}

function parse(path: string, bytes: Buffer, what: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Said below.
  }
  throw broken(path, `its ${what} is no JSON document`);
}

function isDescriptor(value: unknown): value is Descriptor {
  if (typeof value !== 'object' || value === null) return false;
  const { digest, size, mediaType } = value as Partial<Descriptor>;
  return (
    typeof digest === 'string' &&
    isDigest(digest) &&
    typeof mediaType === 'string' &&
    Number.isSafeInteger(size) &&
    size! >= 0
  );
}

function broken(path: string, because: string): Failure {
  return new Failure({
    doing: `reading the bundle ${path}`,
    because,
    fix: 'make it with `imgbuild ota diff`, or fetch it again',
    kind: 'input',
  });
}
