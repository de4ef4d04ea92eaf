import type { PlatformName } from '../oci/platform.ts';

/**
 * One line of a layer's input manifest: something that decides what the build makes. The fingerprint is the sha256
 * over the sorted list (docs/fingerprints.md). A line is serialised as JSON with its keys in the order given here.
 */
export type Input =
  /** `stage` is the index within the needed stages, `seq` the instruction's place in it; `text` is normalised. */
  | { kind: 'instruction'; stage: number; seq: number; text: string; heredocs?: string[] }
  | { kind: 'directive'; name: 'syntax' | 'escape'; value: string }
  | { kind: 'arg'; stage: number | 'global'; name: string; value: string | null }
  | { kind: 'file'; path: string; mode: FileMode; hash: string }
  | { kind: 'base'; reference: string; digest: string }
  | { kind: 'parent'; layer: string; reference: string; fingerprint: string }
  | { kind: 'onbuild'; of: string; seq: number; text: string }
  | { kind: 'platform'; value: PlatformName }
  | { kind: 'target'; value: string }
  | { kind: 'mount'; type: string; id: string; text: string }
  | { kind: 'label'; name: string; value: string }
  | { kind: 'epoch'; value: string }
  | { kind: 'remote'; url: string; checksum: string | null }
  | { kind: 'copy'; src: string; dst: string }
  | { kind: 'tool'; name: string; version: string };

/** git's modes: file, executable, symbolic link, folder (only empty folders are listed). */
export type FileMode = '100644' | '100755' | '120000' | '040000';

/** A layer's inputs on one platform, sorted, and what they amount to. */
export interface InputManifest {
  layer: string;
  platform: PlatformName;
  fingerprint: string;
  inputs: Input[];
}
