import type { AccountedEntry } from './layer-delta/account.ts';

/** Below this, in bytes, what any delta has to say about its entries weighs more than their contents do. */
const smallDelta = 16 * 1024;

/**
 * Whether a filesystem layer may take fewer bytes as a tar-diff than as this layer delta. Contents that resemble old ones don't:
 * both find the same of them, and a layer delta keeps apart what a tar-diff mixes. New contents may, since the history of a tar-diff
 * goes on where blocks of a layer delta end. `size`: of the layer delta, in bytes; `entries`: what it is spent on.
 */
export function tarDiffMayBeSmaller({ size, entries }: { size: number; entries: readonly AccountedEntry[] }): boolean {
  const changed = entries.reduce((sum, { kind, bytes }) => (kind === 'changed' ? sum + bytes : sum), 0);
  return size < smallDelta || 2 * changed < size;
}
