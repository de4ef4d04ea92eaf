import type { Deb } from '../config/config.ts';
import { Failure, type SourceLocation } from '../failure.ts';
import type { ArtifactInput } from '../artifact/input.ts';
import type { FileEntry, PackageEntry } from './entry.ts';
import type { DeclaredFields } from './fields.ts';
import type { OwnScripts } from './maintainer-scripts.ts';
import type { Placement } from './placement.ts';
import type { PackagedUnit } from './units.ts';

/** Why a package is not packed: `control`: commented out there; `call`: --off. */
export type OffReason = 'configuration' | 'control' | 'call';

/** A package as it was declared, by imgbuild.yaml or by a debian/ folder; its files have not been looked for yet. */
export interface Draft {
  name: string;
  /** The entry of `debs:` that it comes from. */
  of: Deb;
  off: OffReason | undefined;
  /** Debian's. */
  version: string;
  /** As `version` for the release 0.0.0: what of it comes from the declaration. */
  versionOfNoRelease: string;
  /** `any`: those of the service's images. */
  architectures: 'any' | string[];
  fields: DeclaredFields;
  placements: Placement[];
  /** Entries that are made, not copied. */
  made: PackageEntry[];
  /** Permission bits by paths and globs in the package, as debian/rules sets them; the last one counts. */
  modes: { pattern: string; below: boolean; mode: number; trouble: Trouble }[];
  scripts: OwnScripts;
  units: PackagedUnit[];
  triggers: string | undefined;
  /** Files that are not here before they are needed. */
  later?: LaterFiles;
  /** Names of files below usr/lib/sysusers.d and usr/lib/tmpfiles.d. */
  sysusers: string[];
  tmpfiles: string[];
  /** More conffiles, with a slash in front. */
  conffiles: string[];
  /** An error at the package's declaration, or at the nth entry of a relationship field. */
  trouble: Trouble;
  relationTrouble(field: RelationField, index: number, because: string, fix: string): Failure;
}

export type RelationField = 'depends' | 'preDepends';
export type Trouble = (because: string, fix: string) => Failure;

/** Files of a package that may have to be fetched or converted first: what decides them is known without them. */
export interface LaterFiles {
  /** The folder that has them, and no file of any other package; without a slash in front. */
  folder: string;
  inputs: readonly ArtifactInput[];
  /** The files, where they are known all the same: their places below the folder, and bytes. */
  known?: readonly { path: string; size: number }[] | undefined;
  entries(signal?: AbortSignal): Promise<FileEntry[]>;
}

/** An error at a place of a file that belongs to the declaration: debian/control, *.install. */
export function troubleAt(at: SourceLocation, because: string, fix: string): Failure {
  return new Failure({ doing: `reading ${at.file}`, because, fix, at, kind: 'input' });
}
