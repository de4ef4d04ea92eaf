import type { Descriptor } from '../oci/descriptor.ts';
import { digestOf } from '../oci/digest.ts';
import type { ImageManifest, StoredManifest } from '../oci/manifest.ts';
import { mediaType } from '../oci/media-type.ts';

export interface ArtifactContent {
  /** A media type. OCI image spec, manifest.md, "Guidelines for Artifact Usage". */
  artifactType: string;
  config: Descriptor;
  layers: readonly Descriptor[];
  /** The manifest that it belongs to: a registry lists it among that one's referrers. */
  subject?: Descriptor;
  annotations?: Record<string, string>;
}

/** The manifest of an artifact: the same content is the same bytes. */
export function artifactManifest(content: ArtifactContent): StoredManifest {
  const { artifactType, config, layers, subject, annotations } = content;
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: mediaType.manifest,
    artifactType,
    config,
    layers: [...layers],
    ...(subject === undefined
      ? {}
      : { subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.size } }),
    ...(annotations === undefined ? {} : { annotations }),
  };
  const bytes = new TextEncoder().encode(JSON.stringify(manifest));
  return { descriptor: { mediaType: mediaType.manifest, digest: digestOf(bytes), size: bytes.length }, bytes };
}
