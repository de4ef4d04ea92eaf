import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { differsFrom, sumsFile } from '../../scripts/device.ts';
import { deviceRelease } from '../../src/delta/device-sums.ts';

const root = join(import.meta.dirname, '../..');

test('the committed sums are of this version, and in the form in which they are written', () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  expect(deviceRelease.version).toBe(version);
  expect(sumsFile(deviceRelease)).toBe(readFileSync(join(root, 'src/delta/device-sums.ts'), 'utf8'));
});

test('sums of another version, Go or program are told from the committed ones', () => {
  const { programs } = deviceRelease;
  const other = { ...programs, arm64: { sha256: 'f'.repeat(64) } };
  expect(differsFrom(deviceRelease, { ...deviceRelease })).toBeUndefined();
  expect(differsFrom(deviceRelease, { ...deviceRelease, version: '9.9.9' })).toContain('this is 9.9.9');
  expect(differsFrom(deviceRelease, { ...deviceRelease, go: 'go1.99' })).toContain('this is go1.99');
  expect(differsFrom(deviceRelease, { ...deviceRelease, programs: other })).toContain('for arm64');
});
