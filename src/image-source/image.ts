import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { ImageConfig, StoredManifest } from '../oci/manifest.ts';
import type { Platform } from '../oci/platform.ts';
import type { LayerStore } from '../store/layer-store.ts';

/** Bytes that come in pieces; iterating fails before the end when they are not the expected ones. */
export type ByteStream = AsyncIterable<Buffer>;

/** One filesystem layer of an opened image. */
export interface SourceLayer {
  /** sha256 of the uncompressed tar, as the image config names it. */
  diffId: Digest;
  /** As the manifest names it. */
  descriptor: Descriptor;
  /** The bytes as stored, checked by size and digest. */
  blob(): ByteStream;
  /** The uncompressed tar; what is stored is checked as in `blob`, and the tar against `diffId`. */
  tar(): ByteStream;
}

/** An image of one platform, wherever it lies. */
export interface SourceImage {
  /** As the user named it, for messages. */
  name: string;
  /** The name and tag that Docker shows for it, where it has one: `service_runtime:1.2.0`. */
  reference?: string;
  platform: Platform;
  /** Where its blobs lie, by digest: two images of one place share those that are equal. */
  place?: string;
  /** The repository of a store, or of a registry as a whole, that holds it under its manifest's digest. */
  home?: { store: LayerStore; repository: string };
  /** Where the image has none (docker-archive), one is made whose layers are the uncompressed tars. */
  manifest: StoredManifest;
  config: { descriptor: Descriptor; bytes: Buffer; value: ImageConfig };
  layers: SourceLayer[];
  /** Frees temporary files and open ones. */
  close(): Promise<void>;
}

/** A Debian package of a release, for the host that runs its images. */
export interface SourcePackage {
  name: string;
  /** As dpkg writes it. */
  version: string;
  architecture: string;
  /** Of its file, in bytes. */
  size: number;
  /** Of its file, hex. */
  sha256: string;
  /** Its file, checked by size and digest. Iterating throws a Failure where it is in no place that is known. */
  bytes(): ByteStream;
}

/** Images that are updated together: those of a release, or one. */
export interface ImageSet {
  /** As the user named it, for messages. */
  name: string;
  /** The project's name, where the set is a release. */
  project?: string;
  version?: string;
  images: SourceImage[];
  /** Of a release, those for the platform of its images. Absent where packages are nobody's business. */
  packages?: SourcePackage[];
  close(): Promise<void>;
}
