import type { Progress } from '../progress.ts';
import type { SigningKey } from '../signing/openpgp.ts';

export interface PublishOptions {
  /** Absolute path of the folder that is served. */
  site: string;
  /** Absolute path of a folder of packages, or of one; undefined: only what is there already is published anew. */
  debs: string | undefined;
  suite: string;
  /** The archive's origin; undefined: as it was, else `defaultName`. */
  name: string | undefined;
  defaultName: string;
  /** Where the site is served; undefined: as it was. */
  baseUrl: string | undefined;
  /** Packages go as assets of a release at `url`, and into `folder` for whoever uploads them; not into the site. */
  assets: { url: string; folder: string } | undefined;
  /** Versions of every package and architecture; all where undefined. */
  keep: number | undefined;
  /** Days after which readers refuse what is published; never where undefined. */
  validDays: number | undefined;
  /** Each signs; the newest first. */
  keys: readonly SigningKey[];
  /** Hash every file of the pool. */
  verify: boolean;
  /** Sign what is there whoever signed it before. */
  adopt: boolean;
  progress: Progress;
  signal?: AbortSignal | undefined;
  now?: Date;
}
