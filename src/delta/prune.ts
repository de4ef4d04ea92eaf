import type { Alignment } from './align.ts';

/**
 * What bytes cost in the end, packed: one that is new, one that differs from the old, one that is equal to it, and an
 * alignment. Measured on programs; they need not be exact.
 */
const newByte = 0.5;
const differentByte = 1.3;
const equalByte = 0.05;
const alignmentCost = 4.5;
/** Longer alignments always pay. */
const short = 64;

/** Joins alignments that go on where the one before ended, and drops those that cost more than they bring. In order. */
export function prune(old: Uint8Array, text: Uint8Array, found: readonly Alignment[]): Alignment[] {
  const kept: Alignment[] = [];
  for (const each of found) {
    const before = kept.at(-1);
    if (before !== undefined && before.newStart - before.oldStart === each.newStart - each.oldStart) {
      const end = before.newStart + before.size;
      const hole = each.newStart - end;
      const equal = equalBytes(old, text, before.oldStart + before.size, end, hole);
      if ((hole - equal) * differentByte + equal * equalByte < hole * newByte + alignmentCost) {
        before.size = each.newStart + each.size - before.newStart;
        continue;
      }
    }
    if (each.size < short) {
      const equal = equalBytes(old, text, each.oldStart, each.newStart, each.size);
      if (equal * newByte - (each.size - equal) * (differentByte - newByte) < alignmentCost) continue;
    }
    kept.push({ ...each });
  }
  return kept;
}

function equalBytes(old: Uint8Array, text: Uint8Array, oldAt: number, newAt: number, size: number): number {
  let equal = 0;
  for (let at = 0; at < size; at++) if (old[oldAt + at] === text[newAt + at]) equal++;
  return equal;
}
