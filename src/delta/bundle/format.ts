import { layoutMarker } from '../../oci/layout-marker.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { digestOf, hexOf, type Digest } from '../../oci/digest.ts';
import { mediaType } from '../../oci/media-type.ts';

/**
 * A bundle is an uncompressed tar of an OCI image layout whose manifests are delta artifacts of containers/oci-delta
 * (README.md, "Delta file format"). `docs/ota.md` says what imgbuild adds: annotations, the order of the members, the
 * signature.
 */
export const artifactType = 'application/vnd.io.github.containers.oci-delta.v1';
/** Of one that carries layer deltas, in the same layout (docs/layer-delta-format.md). */
export const ownArtifactType = 'application/vnd.imgbuild.ota.v1';
export const tarDiffType = 'application/vnd.tar-diff';
export const layerDeltaType = 'application/vnd.imgbuild.layer-delta.v1';
export const sourcesType = 'application/vnd.imgbuild.sources.v1';

/** The version of what a bundle carries that is known here, and all before. */
export const knownVersion = 5;
/** The version from which on bundles may carry packages as deltas. */
export const packageDeltaVersion = 5;
/** What every byte is spent on: for people, and in bundles with layer deltas alone. */
export const accountType = 'application/vnd.imgbuild.account.v1+zstd';

/** How a filesystem layer is coded against the old image. */
export type DeltaFormat = 'tar-diff' | 'imgbuild';
export const deltaTypes: Record<DeltaFormat, string> = { 'tar-diff': tarDiffType, imgbuild: layerDeltaType };

/** Annotations of oci-delta. */
export const annotation = {
  target: 'io.github.containers.delta.target',
  source: 'io.github.containers.delta.source',
  sourceConfig: 'io.github.containers.delta.source-config',
  reused: 'io.github.containers.delta.reused',
  reusedDiffId: 'io.github.containers.delta.reused-diff-id',
  content: 'io.github.containers.delta.content',
  to: 'io.github.containers.delta.to',
} as const;

/** Annotations that imgbuild adds; readers of oci-delta pass over them. */
export const ownAnnotation = {
  /** The project: the folder below /var/lib/imgbuild. */
  name: 'org.imgbuild.ota.name',
  from: 'org.imgbuild.ota.from',
  to: 'org.imgbuild.ota.to',
  /** The name and tag that the image gets on the device. */
  reference: 'org.imgbuild.ota.reference',
  /** JSON array: the diffIDs of the whole source image, by which an engine finds it whatever its IDs mean. */
  sourceDiffIds: 'org.imgbuild.ota.source-diff-ids',
  /** The version of layer deltas and their sources that a reader must know; 1 where it is missing. */
  needs: 'org.imgbuild.ota.needs',
  /** On an image-layer: bytes of the uncompressed tar. */
  size: 'org.imgbuild.ota.uncompressed-size',
} as const;

/** Detached OpenPGP signature over the bytes of index.json, armoured. */
export const signatureName = 'index.json.asc';
export const layoutBytes = Buffer.from(layoutMarker);
export const emptyConfig = Buffer.from('{}');
export const emptyDescriptor: Descriptor = {
  mediaType: mediaType.empty,
  digest: digestOf(emptyConfig),
  size: emptyConfig.length,
};

export function blobName(digest: Digest): string {
  return `blobs/sha256/${hexOf(digest)}`;
}
