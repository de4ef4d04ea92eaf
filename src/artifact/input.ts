import { createHash } from 'node:crypto';
import { zstdCompressSync } from 'node:zlib';

/**
 * One line of an artifact's input manifest: something that decides its bytes. What a release adds (its version, epoch,
 * revision) is none: what is unchanged keeps the version that it was made for.
 */
export type ArtifactInput =
  /** What the artifact is: another type is another artifact. */
  | { kind: 'artifact'; type: string }
  /** `path`: relative to the repository's root, as reasons name it; `to`: its place in the artifact. */
  | { kind: 'file'; path: string; to: string; mode?: string; sha256: string }
  /** A file from elsewhere, by its declared sum; `path`: its place in the artifact, `from`: as the user wrote it. */
  | { kind: 'source'; path: string; from: string; sha256: string }
  /** Metadata: a license, a field of a control file. */
  | { kind: 'field'; name: string; value: string }
  /** A program that is run, as its argument vector. */
  | { kind: 'command'; argv: readonly string[] }
  /** Another layer's image or artifact that it names. */
  | { kind: 'parent'; name: string; digest: string }
  /** What writes the bytes: its version changes where the same inputs give other ones. */
  | { kind: 'tool'; name: string; version: string };

/** JSON with sorted keys, so that equal inputs are equal bytes. */
export function inputLine(input: ArtifactInput): string {
  return JSON.stringify(input, Object.keys(input).toSorted());
}

/** One line an input, each once, sorted by UTF-16 code units, each ended by a newline. */
export function inputText(inputs: readonly ArtifactInput[]): string {
  const lines = [...new Set(inputs.map(inputLine))].toSorted();
  return lines.map((line) => `${line}\n`).join('');
}

/** 64 hex digits: the sha256 of the input manifest. */
export function artifactFingerprint(inputs: readonly ArtifactInput[]): string {
  return createHash('sha256').update(inputText(inputs)).digest('hex');
}

/** The input manifest as it is stored beside the artifact (docs/store.md). */
export function packArtifactInputs(inputs: readonly ArtifactInput[]): Uint8Array {
  return zstdCompressSync(inputText(inputs));
}
