import { artifactManifest } from '../artifact/manifest.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { digestOf, type Digest } from '../oci/digest.ts';
import type { StoredManifest } from '../oci/manifest.ts';
import { mediaType } from '../oci/media-type.ts';
import { emptyBlob } from '../store/input-artifact.ts';

/** A finished bundle, as its index tells it. */
export interface BundleFacts {
  /** The project; undefined where the bundle is of none. */
  name: string | undefined;
  /** Versions; undefined of images that are no release. */
  from: string | undefined;
  to: string | undefined;
  platform: string;
  /** Name of the file, without a folder. */
  file: string;
  /** In bytes. */
  size: number;
  digest: Digest;
}

/**
 * The artifact by which a registry has a bundle among the referrers of an image that it leads to: the file as it is, in one
 * blob. It has imgbuild's own type, whatever format the deltas in the file are of: tools of oci-delta look for deltas in the
 * blobs themselves. The same bundle and image give the same bytes.
 */
export function bundleArtifact(bundle: BundleFacts, subject: Descriptor): StoredManifest {
  return artifactManifest({
    artifactType: mediaType.bundleArtifact,
    config: { mediaType: emptyBlob.mediaType, digest: digestOf(emptyBlob.bytes), size: emptyBlob.bytes.length },
    layers: [
      {
        mediaType: mediaType.bundle,
        digest: bundle.digest,
        size: bundle.size,
        annotations: { 'org.opencontainers.image.title': bundle.file },
      },
    ],
    subject,
    annotations: {
      ...annotation('name', bundle.name),
      ...annotation('from', bundle.from),
      ...annotation('to', bundle.to),
      ...annotation('platform', bundle.platform),
    },
  });
}

function annotation(key: string, value: string | undefined): Record<string, string> {
  return value === undefined ? {} : { [`org.imgbuild.ota.${key}`]: value };
}
