import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { pack } from './support/pack.ts';
import { deb, parseProject } from './support/project.ts';

const source = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
const sha256 = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');
const names = ['auto', 'zstd', 'xz', 'none'];

/** The packages that are packed, by the process that is killed, too. */
export function killedProject(root: string) {
  const entry = (compression: string) => deb({ compression, contents: [{ src: 'data', dst: `/opt/${compression}` }] });
  return parseProject(root, Object.fromEntries(names.map((name) => [`ccai-${name}`, entry(name)])));
}

/**
 * Kills `count` packings with SIGKILL at random moments, those aside that were done before, and counts what each left under a final name. Throws
 * when one of these is not the whole package.
 */
export async function runPackingKills({ seed, count }: { seed: number; count: number }): Promise<{
  killed: number;
  whole: number;
}> {
  const root = mkdtempSync(join(tmpdir(), 'imgbuild-kills-'));
  try {
    mkdirSync(join(root, 'data'));
    writeFileSync(join(root, 'data/weights'), randomBytes(1_500_000));
    writeFileSync(join(root, 'data/text'), 'all work and no play\n'.repeat(400_000));
    const began = performance.now();
    const expected = await pack(killedProject(root), { directory: join(root, 'whole') });
    const duration = performance.now() - began;
    const sums = new Map(expected.map((each) => [`${each.name}_1.2.0_all.deb`, each.sha256]));
    const script = join(root, 'pack.ts');
    const directory = join(root, 'out');
    writeFileSync(
      script,
      `import { pack } from ${source('./support/pack.ts')};
import { killedProject } from ${source('./kill-soak.ts')};
process.stdout.write('ready');
await pack(killedProject(${JSON.stringify(root)}), { directory: ${JSON.stringify(directory)} });`,
    );
    let killed = 0;
    let whole = 0;
    // All alike: numbers of fast-check lie near their ends otherwise.
    const thousandths = fc.noBias(fc.integer({ min: 0, max: 1100 }));
    for (const moment of fc.sample(thousandths, { numRuns: 4 * count, seed }).map((each) => each / 1000)) {
      if (killed === count) break;
      const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
      const ended = once(child, 'exit');
      await once(child.stdout, 'data');
      await sleep(moment * duration);
      child.kill('SIGKILL');
      const [, signal] = (await ended) as [number | null, string | null];
      if (signal !== null) killed++;
      mkdirSync(directory, { recursive: true });
      for (const name of readdirSync(directory).filter((each) => !each.startsWith('.'))) {
        if (sha256(join(directory, name)) !== sums.get(name)) {
          throw new Error(`seed ${seed}, at ${moment} of ${duration} ms: ${name} is not whole`);
        }
        whole++;
      }
    }
    if (killed < count) throw new Error(`seed ${seed}: only ${killed} packings were killed`);
    await pack(killedProject(root), { directory });
    for (const [name, sum] of sums) {
      if (sha256(join(directory, name)) !== sum) throw new Error(`seed ${seed}: ${name} differs after the kills`);
    }
    return { killed, whole };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
