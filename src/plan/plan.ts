import type { Digest } from '../oci/digest.ts';
import type { PlatformName } from '../oci/platform.ts';

export type ReasonKind =
  | 'never-built'
  | 'file-added'
  | 'file-changed'
  | 'file-removed'
  | 'mode-changed'
  | 'instruction-changed'
  | 'arg-changed'
  | 'base-changed'
  | 'parent-changed'
  | 'platform-changed'
  | 'target-changed'
  | 'mount-changed'
  | 'refresh'
  | 'unpinned-source'
  | 'unresolved-source'
  | 'saved-broken'
  | 'tool-changed'
  | 'forced';

/** Why a layer is built, or how a reused one differs from a release that it is compared with. Only the fields that its kind needs are there; paths are relative to the root. */
export interface Reason {
  kind: ReasonKind;
  path?: string;
  /** ARG's name, base's reference, parent's name, mount's or secret's id. */
  name?: string;
  line?: number;
  from?: string | null;
  to?: string | null;
  detail?: string;
}

/** One layer on one platform. */
export interface PlannedLayer {
  name: string;
  platform: PlatformName;
  /** As declared, with its tag. */
  image: string;
  repository: string;
  fingerprint: string;
  action: 'reuse' | 'build';
  /** The saved image's digest when reused. */
  digest: Digest | null;
  /** Names of the layers that this one builds on or copies from. */
  parents: string[];
  /** Index into `waves`; null when reused. */
  wave: number | null;
  /** The saved image that the reasons compare with. */
  comparedWith: Digest | null;
  /** At most 20. */
  reasons: Reason[];
  reasonCount: number;
}

/** `plan --json`. */
export interface Plan {
  schema: 1;
  store: string;
  layers: PlannedLayer[];
  waves: { name: string; platform: PlatformName }[][];
  hasWork: boolean;
  warnings: string[];
}
