import { createHash } from 'node:crypto';
import { manifestText, type FileInput, type OtherInput } from './input.ts';

/**
 * Raised whenever the list or its encoding changes its meaning: every layer is then built once more, with the reason
 * `tool-changed`. It stands in the list itself, as the input `tool`.
 */
export const inputsVersion = '1';

/** sha256 of the input manifest, as 64 hex digits. docs/fingerprints.md says what is in it and why. */
export function fingerprintOf(others: readonly OtherInput[], files: Iterable<Omit<FileInput, 'kind'>>): string {
  const hash = createHash('sha256');
  for (const block of manifestText(others, files)) hash.update(block);
  return hash.digest('hex');
}
