import type { Digest } from '../oci/digest.ts';
import type { Platform } from '../oci/platform.ts';
import type { PackageLayout } from './archive.ts';
import type { Draft, LaterFiles } from './draft.ts';

/** An image of a release, as a service package names it. */
export interface ServiceImage {
  /** Name of the layer. */
  layer: string;
  platform: Platform;
  /** Digest of the image's config. */
  config: Digest;
  /** NAME:TAG under which it is pulled or loaded: `ghcr.io/acme/ccai/service_runtime:1.2.0`. */
  reference: string;
}

/** A package that is to be written: a Deb for one architecture. */
export interface PlannedDeb extends PackageLayout {
  name: string;
  /** The declared package: another name where it is a part of that. */
  of: string;
  version: string;
  architecture: string;
  /** `ccai_1.2.0_amd64.deb` */
  fileName: string;
  /** Bytes of all its files. */
  size: number;
  warnings: string[];
  /** Paths that the device makes, without a slash in front. */
  ghosts: string[];
  /** That it starts. */
  image?: ServiceImage;
  /** How it would be laid out whatever the release is: worked out when it is asked for. */
  unversioned?: () => Promise<PackageLayout>;
  /** Where it has files that are not here yet: what decides them, and how it is laid out with them. */
  later?: PlannedLater;
}

export interface PlannedLater extends Pick<LaterFiles, 'folder' | 'inputs' | 'known'> {
  /** What `auto` comes to where the files shrink. */
  compression: 'strong-zstd' | 'xz';
  /** One, or its parts where it is split. */
  complete(signal?: AbortSignal): Promise<PlannedDeb[]>;
  trouble: Draft['trouble'];
}
