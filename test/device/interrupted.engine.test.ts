import { describe, expect, inject, test } from 'vitest';
import { buildDeviceProgram, goProgram } from '../../scripts/device.ts';
import { interruptUpdates } from './interrupted-updates.ts';
import { lossyDisks } from './lossy-disk.ts';

const engines = inject('engines');
const rootfs = inject('rootfs').tiny;
const go = await goProgram();
const disks = await lossyDisks();

describe.each(['classic', 'current'] as const)('updates on the %s engine that are interrupted', (engine) => {
  const here = engines[engine].available && go !== undefined && disks;
  test.skipIf(!here)(
    'power cuts, and SIGKILL of applier and engine at random points',
    { timeout: 600_000 },
    async () => {
      const program = await buildDeviceProgram(go!, process.arch === 'arm64' ? 'arm64' : 'amd64');
      const found = await interruptUpdates({ engine, program, rootfs, seed: 7, cuts: 3, kills: 2 });
      expect(found.failures).toEqual([]);
      expect(found.old + found.new).toBe(5);
    },
  );
});
