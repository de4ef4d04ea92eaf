import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { SourceImage, SourceLayer } from '../../image-source/image.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { digestOf, type Digest } from '../../oci/digest.ts';
import type { ImageIndex, ImageManifest } from '../../oci/manifest.ts';
import { mediaType } from '../../oci/media-type.ts';
import type { EncodedLayer } from '../encode-layer.ts';
import {
  accountType,
  annotation,
  artifactType,
  blobName,
  deltaTypes,
  emptyConfig,
  emptyDescriptor,
  layoutBytes,
  ownAnnotation,
  ownArtifactType,
  signatureName,
  sourcesType,
  type DeltaFormat,
} from './format.ts';
import { memberFromFile, memberOf, tarOf, type Member } from './member.ts';
import { packagesPart, type PackageChange } from './packages.ts';

/** How a filesystem layer that the old image lacks is sent. */
export type CarriedLayer = { layer: SourceLayer; uncompressedSize: number } & (
  | { kind: 'delta'; format: DeltaFormat; delta: EncodedLayer }
  /** The blob as the target manifest names it. */
  | { kind: 'whole' }
);

export interface BundledImage {
  /** Undefined where the device has no image to start from: every filesystem layer is carried. */
  from: SourceImage | undefined;
  to: SourceImage;
  /** The name and tag on the device, where there is one. */
  reference: string | undefined;
  carried: CarriedLayer[];
  /** What layer deltas read from; there where one is carried. */
  sources?: Buffer;
  /** The version that a reader must know; 1 where nothing is said. */
  needs?: number;
  /** What every byte is spent on, for `ota inspect`; only beside `sources`. */
  account?: Buffer;
}

export interface BundleHead {
  name: string | undefined;
  from: string | undefined;
  to: string | undefined;
}

/** A manifest of index.json with what it names. */
export interface Prepared {
  descriptor: Descriptor;
  documents: Member[];
  /** Filesystem layers of an image, or what is sent of packages. */
  layers: Member[];
  /** What no device reads. */
  last: Member[];
}

/**
 * Writes a bundle into an open, empty file: oci-layout, index.json, signature, manifests and configs, filesystem
 * layers in the target's order, packages, accounts. Everything is known, by digest, before any filesystem layer is read. `sign` gets the
 * bytes of index.json.
 */
export async function writeBundle(
  file: FileHandle,
  head: BundleHead,
  images: readonly BundledImage[],
  sign: ((bytes: Buffer) => Promise<Buffer>) | undefined,
  signal: AbortSignal,
  packages?: readonly PackageChange[],
): Promise<{ size: number; digest: Digest }> {
  const prepared = images.map((image) => prepare(head, image));
  if (packages !== undefined) prepared.push(packagesPart(packages));
  const index: ImageIndex = {
    schemaVersion: 2,
    mediaType: mediaType.index,
    manifests: prepared.map(({ descriptor }) => descriptor),
  };
  const indexBytes = Buffer.from(JSON.stringify(index));
  const members = [memberOf('oci-layout', layoutBytes), memberOf('index.json', indexBytes)];
  if (sign) members.push(memberOf(signatureName, await sign(indexBytes)));
  const seen = new Set<string>();
  for (const part of ['documents', 'layers', 'last'] as const) {
    for (const member of prepared.flatMap((each) => each[part])) {
      // Images of one release share filesystem layers.
      if (seen.has(member.name)) continue;
      seen.add(member.name);
      members.push(member);
    }
  }
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of tarOf(members)) {
    signal.throwIfAborted();
    hash.update(chunk);
    for (let done = 0; done < chunk.length;) done += (await file.write(chunk, done)).bytesWritten;
    size += chunk.length;
  }
  return { size, digest: `sha256:${hash.digest('hex')}` };
}

function prepare(head: BundleHead, image: BundledImage): Prepared {
  const { from, to, carried, sources, account } = image;
  const type = sources === undefined ? artifactType : ownArtifactType;
  const subject: Descriptor = {
    mediaType: to.manifest.descriptor.mediaType,
    digest: to.manifest.descriptor.digest,
    size: to.manifest.bytes.length,
  };
  const content = (value: string) => ({ [annotation.content]: value });
  const { mediaType: configType, digest: configDigest, size: configSize } = to.config.descriptor;
  const layers: Member[] = [];
  const layerDescriptors = carried.map((each): Descriptor => {
    const { layer } = each;
    const annotations = {
      ...content('image-layer'),
      [annotation.to]: layer.descriptor.digest,
      [ownAnnotation.size]: String(each.uncompressedSize),
    };
    if (each.kind === 'delta') {
      const { path, size, digest } = each.delta;
      layers.push(memberFromFile(blobName(digest), path, size));
      return { mediaType: deltaTypes[each.format], digest, size, annotations };
    }
    const { digest, size } = layer.descriptor;
    layers.push({ name: blobName(digest), size, open: () => layer.blob() });
    return { mediaType: layer.descriptor.mediaType, digest, size, annotations };
  });
  const carriedDiffIds = new Set(carried.map(({ layer }) => layer.diffId));
  const reused = to.layers.filter(({ diffId }) => !carriedDiffIds.has(diffId));
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: mediaType.manifest,
    artifactType: type,
    config: emptyDescriptor,
    layers: [
      { ...subject, annotations: content('image-manifest') },
      { mediaType: configType, digest: configDigest, size: configSize, annotations: content('image-config') },
      ...(sources === undefined ? [] : [{ ...descriptorOf(sourcesType, sources), annotations: content('sources') }]),
      ...layerDescriptors,
      ...(account === undefined ? [] : [{ ...descriptorOf(accountType, account), annotations: content('account') }]),
    ],
    subject,
    annotations: sorted({
      [annotation.target]: subject.digest,
      [annotation.source]: from?.manifest.descriptor.digest,
      [annotation.sourceConfig]: from?.config.descriptor.digest,
      [annotation.reused]: list(reused.map(({ descriptor }) => descriptor.digest)),
      [annotation.reusedDiffId]: list(reused.map(({ diffId }) => diffId)),
      [ownAnnotation.sourceDiffIds]: from && JSON.stringify(from.layers.map(({ diffId }) => diffId)),
      [ownAnnotation.name]: head.name,
      [ownAnnotation.from]: head.from,
      [ownAnnotation.to]: head.to,
      [ownAnnotation.reference]: image.reference,
      [ownAnnotation.needs]: (image.needs ?? 1) > 1 ? String(image.needs) : undefined,
    }),
  };
  const bytes = Buffer.from(JSON.stringify(manifest));
  const descriptor: Descriptor = {
    mediaType: mediaType.manifest,
    digest: digestOf(bytes),
    size: bytes.length,
    artifactType: type,
    platform: { ...to.platform },
  };
  return {
    descriptor,
    documents: [
      memberOf(blobName(descriptor.digest), bytes),
      memberOf(blobName(emptyDescriptor.digest), emptyConfig),
      memberOf(blobName(subject.digest), to.manifest.bytes),
      memberOf(blobName(configDigest), to.config.bytes),
      ...(sources === undefined ? [] : [memberOf(blobName(digestOf(sources)), sources)]),
    ],
    layers,
    last: account === undefined ? [] : [memberOf(blobName(digestOf(account)), account)],
  };
}

function descriptorOf(type: string, bytes: Buffer): Descriptor {
  return { mediaType: type, digest: digestOf(bytes), size: bytes.length };
}

function list(digests: Digest[]): string | undefined {
  return digests.length === 0 ? undefined : JSON.stringify(digests);
}

function sorted(values: Record<string, string | undefined>): Record<string, string> {
  const given = Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return Object.fromEntries(given.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
