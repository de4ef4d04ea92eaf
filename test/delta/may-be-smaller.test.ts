import { expect, test } from 'vitest';
import type { AccountedEntry, EntryChange } from '../../src/delta/layer-delta/account.ts';
import { tarDiffMayBeSmaller } from '../../src/delta/may-be-smaller.ts';

const spent = (...parts: [EntryChange, number][]) => {
  const entries = parts.map(([kind, bytes]): AccountedEntry => ({ path: kind, kind, size: 1e6, bytes }));
  return { size: entries.reduce((sum, { bytes }) => sum + bytes, 0), entries };
};

test.each([
  ['contents that resemble old ones', spent(['changed', 90_000], ['new', 10_000]), false],
  ['new contents', spent(['changed', 10_000], ['new', 90_000]), true],
  ['headers', spent(['header-only', 90_000]), true],
  ['next to nothing', spent(['changed', 9_000]), true],
] as const)('a tar-diff beside a layer delta that spends its bytes on %s', (_, delta, mayBe) => {
  expect(tarDiffMayBeSmaller(delta)).toBe(mayBe);
});
