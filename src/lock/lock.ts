import type { Digest } from '../oci/digest.ts';
import type { PlatformName } from '../oci/platform.ts';

/** imgbuild.lock, parsed: what the outside world was when `imgbuild lock` last looked. */
export interface Lock {
  /** By normalised reference. */
  bases: Map<string, LockedBase>;
  /** By the reference of a `# syntax` line as written. */
  syntaxes: Map<string, Digest>;
  /** By layer name. */
  epochs: Map<string, string>;
}

export interface LockedBase {
  /** In its normal form (formatReference). */
  reference: string;
  from: 'registry' | 'daemon' | `oci:${string}`;
  index: Digest | null;
  platforms: Map<PlatformName, LockedPlatform>;
}

/** What a child of the base depends on: its bytes, and what its config makes the child copy or run. */
export interface LockedPlatform {
  /**
   * `manifest` of a registry's or layout's image. Of an image that only a daemon has, its ID there: `config`, or
   * `manifest` where the daemon keeps images in containerd.
   */
  identity: { kind: 'manifest' | 'config'; digest: Digest };
  env: string[];
  workdir?: string;
  onbuild: string[];
}

export function emptyLock(): Lock {
  return { bases: new Map(), syntaxes: new Map(), epochs: new Map() };
}
