import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { brokenFiles, disagreements } from './compare.ts';

const python = spawnSync('python3', ['--version']).status === 0;

// `npm run soak -- envd` has the large count.
test.skipIf(!python)('programs mean what they mean in Python', { timeout: 120_000 }, () => {
  const { failures, compared } = disagreements(20261121, 400);
  expect(failures.slice(0, 3)).toEqual([]);
  expect(compared).toBeGreaterThan(300);
});

test('broken build files are refused at a place in them', { timeout: 120_000 }, () => {
  const { failures, refused } = brokenFiles(20261121, 1000);
  expect(failures.slice(0, 3)).toEqual([]);
  expect(refused).toBeGreaterThan(300);
});
