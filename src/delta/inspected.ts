import type { Total } from './account/totals.ts';
import type { Advice } from './advice.ts';
import type { DeltaFormat } from './bundle/format.ts';
import type { PackageName } from './packages/owners.ts';

/**
 * What became of a file. `unchanged`, `header-only` (times and owners differ) and `moved` are copied whole; `changed` takes
 * parts of an old one; `new` none, as all files of a filesystem layer that is sent whole. A tar-diff sends headers always:
 * `header-only` is of layer deltas.
 */
export type FileChange = 'unchanged' | 'header-only' | 'moved' | 'changed' | 'new';

export interface InspectedFile {
  path: string;
  change: FileChange;
  /** The old file it takes most from. */
  source?: string;
  /** Of the new file, in bytes. */
  size: number;
  /** Bytes that come from old files as they are. This, `added` and `literal` are known of tar-diffs and whole layers. */
  copied?: number;
  /** Bytes that are sent as differences to old ones. */
  added?: number;
  /** Bytes that differ from the old file's: of those in `added`; in a layer delta, of all. Not known of programs there. */
  differing?: number;
  /** Bytes that are sent as they are. */
  literal?: number;
  /** Its share of the bundle, compressed: files that lie in one compressed block share its bytes by what they send. */
  bytes: number;
  /** Missing where it belongs to none, or packages are not known. */
  package?: PackageName;
}

/** Files, their sizes, and their bytes of the bundle. */
export type ChangeTotals = Partial<Record<FileChange, Total>>;

export interface InspectedLayer {
  diffId: string;
  kind: 'reused' | 'delta' | 'whole';
  /** Of a delta. */
  format?: DeltaFormat;
  /** In the bundle. */
  bytes: number;
  /** Of the uncompressed tar, where it is known. */
  uncompressed?: number;
  /** Bytes of tar headers and padding that are sent as they are, before compression. Known where `literal` is. */
  headers?: number;
  /** `bytes` without those of the files: what headers, names and operations take of the bundle. */
  overhead?: number;
  /** By what became of all files; in a layer delta also of folders and links. Missing where the bundle does not say it. */
  totals?: ChangeTotals;
  /** The most costly, where the bundle has no room for all of them. */
  files?: InspectedFile[];
  /** The files that `files` lacks. */
  unlisted?: Total;
  /** What the bundle says itself, by all files. */
  advice?: Advice[];
}

export interface InspectedPackage extends PackageName, Total {
  totals: ChangeTotals;
}

export interface InspectedPackages {
  /** The most costly first. */
  listed: InspectedPackage[];
  /** Packages that the bundle has no room for: `packages` of them. */
  others: Total & { packages: number };
  /** Files that belong to no package. */
  none: Total;
}

export interface InspectedImage {
  reference: string | null;
  config: string;
  source: string | null;
  platform: { os: string; architecture: string; variant?: string };
  layers: InspectedLayer[];
  /** Null where it is not known what packages consist of. */
  packages: InspectedPackages | null;
}

/** A package of the release, for the host. */
export interface HostPackage {
  name: string;
  version: string;
  architecture: string;
  kind: 'reused' | 'delta' | 'whole';
  /** Of a delta: the version that it is made from. */
  from?: string;
  /** Of the bundle. */
  bytes: number;
}

export interface InspectedBundle {
  schema: 1;
  path: string;
  bytes: number;
  /** Of them, what is no filesystem layer and no package: manifests, configs, the signature, the account, the members' headers. */
  documents: number;
  signed: boolean;
  name: string | null;
  from: string | null;
  to: string | null;
  images: InspectedImage[];
  /** Those of the release. */
  hostPackages: HostPackage[];
}
