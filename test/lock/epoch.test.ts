import { expect, test } from 'vitest';
import { epochOf, isEpochOf } from '../../src/lock/epoch.ts';

test.each([
  ['daily', '2026-11-21T23:59:59Z', '2026-11-21'],
  ['monthly', '2026-11-21T23:59:59Z', '2026-11'],
  ['weekly', '2026-11-21T12:00:00Z', '2026-W47'],
  // ISO 8601: the week belongs to the year of its Thursday.
  ['weekly', '2027-01-03T23:59:59Z', '2026-W53'],
  ['weekly', '2027-01-04T00:00:00Z', '2027-W01'],
  ['weekly', '2024-12-30T00:00:00Z', '2025-W01'],
  ['weekly', '2021-01-01T00:00:00Z', '2020-W53'],
] as const)('%s at %s is %s', (refresh, now, epoch) => {
  expect(epochOf(refresh, new Date(now))).toBe(epoch);
  expect(isEpochOf(refresh, epoch)).toBe(true);
});

test('an epoch of another refresh is none', () => {
  expect(isEpochOf('weekly', '2026-11')).toBe(false);
  expect(isEpochOf('monthly', '2026-11-21')).toBe(false);
});
