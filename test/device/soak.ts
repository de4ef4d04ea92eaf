import { buildDeviceProgram, goProgram } from '../../scripts/device.ts';
import { tinyBase } from '../../scripts/support/base-image.ts';
import { interruptUpdates } from './interrupted-updates.ts';

/** Interruptions of one kind, by turns on both engines. */
export async function runInterruptions(
  kind: 'cuts' | 'kills',
  { seed, count }: { seed: number; count: number },
): Promise<{ failures: string[]; counts: Record<string, number> }> {
  const go = await goProgram();
  if (go === undefined) return { failures: ['Go 1.25 or newer is needed'], counts: {} };
  const engine = Math.floor((seed % 1_000_003) / count) % 2 === 0 ? 'classic' : 'current';
  const found = await interruptUpdates({
    engine,
    program: await buildDeviceProgram(go, process.arch === 'arm64' ? 'arm64' : 'amd64'),
    rootfs: await tinyBase(() => {}),
    seed,
    cuts: 0,
    kills: 0,
    [kind]: count,
  });
  const counts = {
    [`on the ${engine} engine`]: count,
    'the old release ran': found.old,
    'the new release ran': found.new,
  };
  return { failures: found.failures, counts };
}
