import type { Descriptor } from '../../oci/descriptor.ts';
import { digestOf, hexOf, type Digest } from '../../oci/digest.ts';
import type { ImageIndex, ImageManifest } from '../../oci/manifest.ts';
import { mediaType } from '../../oci/media-type.ts';
import { blobName, layoutBytes } from '../bundle/format.ts';
import { memberFromFile, memberOf, type Member } from '../bundle/member.ts';
import type { BundleImage } from '../bundle/read.ts';

/** A filesystem layer that the engine lacks, on disk, uncompressed. */
export interface ReadyLayer {
  path: string;
  size: number;
}

/** An image's filesystem layers as podman finds those that it has; it does not look at the size of what it is not sent. */
export function byDiffId(image: BundleImage): Map<Digest, Descriptor> {
  return new Map(
    image.layers.map(({ diffId, descriptor: { size } }) => [
      diffId,
      { mediaType: mediaType.layerTar, digest: diffId, size },
    ]),
  );
}

export interface LoadArchive {
  members: Member[];
  /** Of the image in a store that keeps manifests; the image's own where its blobs are as the manifest says. */
  manifest: Digest;
}

/**
 * An archive for `docker load` that holds only what the engine lacks, and that every kind of store understands: for the
 * classic one manifest.json, whose missing filesystem layers it finds by chain ID; for containerd's an OCI layout,
 * whose missing blobs it finds by digest, so that these keep the descriptors that the engine has (`present`); for podman
 * the same layout, whose missing blobs it finds where their digests are diffIDs.
 */
export function loadArchive(
  image: BundleImage,
  ready: ReadonlyMap<Digest, ReadyLayer>,
  present: ReadonlyMap<Digest, Descriptor>,
): LoadArchive {
  const layers = image.layers.map(({ diffId, descriptor }): Descriptor => {
    const made = ready.get(diffId);
    const has = present.get(diffId);
    if (has !== undefined) return has;
    if (made !== undefined) return { mediaType: mediaType.layerTar, digest: diffId, size: made.size };
    return descriptor;
  });
  const config = image.config.descriptor;
  const target = JSON.parse(image.manifest.bytes.toString('utf8')) as ImageManifest;
  const isTarget = layers.every((layer, at) => layer.digest === target.layers[at]!.digest);
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: mediaType.manifest,
    config: { mediaType: mediaType.config, digest: config.digest, size: config.size },
    layers,
  };
  const bytes = isTarget ? image.manifest.bytes : Buffer.from(JSON.stringify(manifest));
  const descriptor: Descriptor = {
    mediaType: isTarget ? image.manifest.descriptor.mediaType : mediaType.manifest,
    digest: digestOf(bytes),
    size: bytes.length,
    platform: { ...image.platform },
  };
  const index: ImageIndex = { schemaVersion: 2, mediaType: mediaType.index, manifests: [descriptor] };
  const saved = [
    {
      Config: blobName(config.digest),
      // The tag moves when everything has been proven.
      RepoTags: null,
      Layers: image.layers.map(({ diffId }) => blobName(diffId)),
    },
  ];
  const members = [
    memberOf('oci-layout', layoutBytes),
    memberOf('index.json', Buffer.from(JSON.stringify(index))),
    memberOf('manifest.json', Buffer.from(JSON.stringify(saved))),
    memberOf(blobName(descriptor.digest), bytes),
    memberOf(blobName(config.digest), image.config.bytes),
  ];
  const written = new Set<string>();
  for (const { diffId } of image.layers) {
    const made = ready.get(diffId);
    if (made === undefined || written.has(hexOf(diffId))) continue;
    written.add(hexOf(diffId));
    members.push(memberFromFile(blobName(diffId), made.path, made.size));
  }
  return { members, manifest: descriptor.digest };
}
