import type { EntryChange } from '../layer-delta/account.ts';

/** Entries of filesystem layers, their contents as stored, and what they take of a bundle. Sizes in bytes. */
export interface Total {
  count: number;
  size: number;
  bytes: number;
}

/** By what became of the entries; what did not occur is not there. */
export type Totals = Partial<Record<EntryChange, Total>>;

export const entryChanges: readonly EntryChange[] = ['new', 'changed', 'moved', 'header-only', 'same'];

export const nothing: Total = { count: 0, size: 0, bytes: 0 };

export function plus(a: Total, b: Total): Total {
  return { count: a.count + b.count, size: a.size + b.size, bytes: a.bytes + b.bytes };
}

export function addTotal(totals: Totals, kind: EntryChange, total: Total): void {
  totals[kind] = plus(totals[kind] ?? nothing, total);
}

export function addTotals(totals: Totals, more: Totals): void {
  for (const kind of entryChanges) if (more[kind]) addTotal(totals, kind, more[kind]);
}

export function sumOf(totals: Totals): Total {
  return Object.values(totals).reduce(plus, nothing);
}

/** Shares of bytes as whole numbers, none below 0, with the whole number as their sum that is nearest to theirs. */
export function wholeBytes(shares: readonly number[]): number[] {
  let sum = 0;
  let before = 0;
  return shares.map((share) => {
    sum += share;
    const now = Math.round(sum);
    const own = now - before;
    before = now;
    return own;
  });
}
