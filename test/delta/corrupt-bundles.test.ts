import { expect, test } from 'vitest';
import { buildDeviceProgram, goProgram } from '../../scripts/device.ts';
import { corruptBundles } from './corrupt-bundles.ts';

test('random flips and truncations: refused, or the very target', { timeout: 600_000 }, async () => {
  const go = await goProgram();
  const program = go && (await buildDeviceProgram(go, process.arch === 'arm64' ? 'arm64' : 'amd64'));
  const found = await corruptBundles({ seed: 5, count: 120, ...(program && { program }) });
  expect(found.failures).toEqual([]);
  expect(found.refused).toBeGreaterThan(80);
});
