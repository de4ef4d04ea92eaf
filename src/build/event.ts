import type { BuildEvent } from '../engine/engine.ts';
import type { Digest } from '../oci/digest.ts';
import type { PlatformName } from '../oci/platform.ts';

/** Which layer on which platform. */
export interface LayerRef {
  layer: string;
  platform: PlatformName;
  /** Whether the layer is planned for other platforms too: its name alone would not tell them apart. */
  severalPlatforms?: boolean;
}

/** What `buildLayers` tells while it works. */
export type LayerEvent = LayerRef &
  (
    | { kind: 'started' }
    | { kind: 'step'; event: BuildEvent }
    | { kind: 'saving' }
    | { kind: 'loading'; name: string }
    | { kind: 'done'; outcome: LayerOutcome; digest: Digest; seconds: number; bytes: number }
    | { kind: 'failed'; seconds: number }
  );

/**
 * `reused`: the store had it. `adopted`: it was built, and somebody else saved the same layer in the meantime: that image
 * counts.
 */
export type LayerOutcome = 'built' | 'reused' | 'adopted';

export interface BuiltLayer {
  name: string;
  platform: PlatformName;
  /** As declared, with its tag. */
  image: string;
  repository: string;
  fingerprint: string;
  outcome: LayerOutcome;
  digest: Digest;
  /** 0 where reused. */
  seconds: number;
  /** Bytes that this run wrote into the store for it. */
  bytes: number;
}

/** `build --json`. */
export interface BuildReport {
  schema: 1;
  store: string;
  /** Null where none was needed. */
  engine: string | null;
  /** Parents before children. */
  layers: BuiltLayer[];
  seconds: number;
}
