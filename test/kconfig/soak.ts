import { rm } from 'node:fs/promises';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compareMany } from './compare.ts';
import { installKconfiglib, type Kconfiglib } from './kconfiglib.ts';

let started: { kconfiglib: Kconfiglib; folder: string } | undefined;

function start(): { kconfiglib: Kconfiglib; folder: string } {
  const folder = mkdtempSync(join(tmpdir(), 'imgbuild-kconfiglib-'));
  const kconfiglib = installKconfiglib(folder);
  if (!kconfiglib) throw new Error('kconfiglib needs python3 with venv, and a package index that pip is set up for');
  return { kconfiglib, folder };
}

/** Kconfig trees with four configurations each, against kconfiglib. */
export const kconfigSoak = {
  total: 1000,
  part: 25,
  async run({ seed, count }: { seed: number; count: number }) {
    started ??= start();
    const { failures, configurations, refused } = await compareMany(started.kconfiglib, seed, count);
    const counts: Record<string, number> = {
      'trees that both read': count - refused,
      'trees with a circle, refused by both': refused,
      'configurations with the same values and the same .config': configurations - failures.length,
    };
    return { failures, counts };
  },
  async stop() {
    if (started) await rm(started.folder, { recursive: true, force: true });
    started = undefined;
  },
};
