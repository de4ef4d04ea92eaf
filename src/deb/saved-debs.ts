import { basename } from 'node:path';
import type { FileHashes } from '../files/file-hashes.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { ImageManifest } from '../oci/manifest.ts';
import type { LayerStore } from '../store/layer-store.ts';
import type { PlannedDeb } from './planned-deb.ts';

/** Where packages are saved by their inputs. */
export interface SavedDebs {
  store: LayerStore;
  /** Whose last packages count as those that devices may have, the first that has one. */
  branches: readonly string[];
  /** The release that new packages are saved for; where absent, they are not saved: their version is that of no release. */
  version?: string | undefined;
  /** The sha256 (hex) of the packages of that release, where it is there already: what is saved and in it stays. */
  inRelease?: ReadonlySet<string>;
  /** The highest version of a package, as dpkg writes it, in the releases below that one and above `since`. */
  before?: (deb: Pick<PlannedDeb, 'name' | 'architecture'>, since: string | undefined) => Promise<string | undefined>;
  revision?: string | undefined;
  /** Sums of files that were read before. */
  hashes: FileHashes;
  /** Pack every package anew. */
  force: boolean;
}

/** A package as the store has it. */
export interface SavedFile {
  /** As dpkg writes it. */
  version: string;
  fileName: string;
  blob: Descriptor;
}

/** A further part of a package whose parts are known when its files are here. */
export interface SavedPart {
  name: string;
  repository: string;
  file: SavedFile;
}

export const versionKey = 'org.opencontainers.image.version';
export const partsKey = 'vnd.imgbuild.parts';
export const titleKey = 'org.opencontainers.image.title';

/** The packages of the same inputs, the newest first; none where that does not say which package it is. */
export function filesOf({ layers, annotations }: ImageManifest): SavedFile[] {
  const files = layers.map((blob, index): SavedFile | undefined => {
    const version = blob.annotations?.[versionKey] ?? (index === 0 ? annotations?.[versionKey] : undefined);
    const fileName = blob.annotations?.[titleKey];
    if (version === undefined || fileName === undefined || basename(fileName) !== fileName) return undefined;
    return { version, fileName, blob };
  });
  return files[0] === undefined ? [] : files.filter((file) => file !== undefined);
}
