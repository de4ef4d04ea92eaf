import { buildDeviceProgram, goProgram } from '../../scripts/device.ts';
import { tinyBase } from '../../scripts/support/base-image.ts';
import { corruptBundles } from '../delta/corrupt-bundles.ts';
import { interruptUpdates } from './interrupted-updates.ts';

/** Corruptions, each looked at by both programs. */
export async function runCorruptions({ seed, count }: { seed: number; count: number }) {
  const go = await goProgram();
  if (go === undefined) return { failures: ['Go 1.25 or newer is needed'], counts: {} };
  const program = await buildDeviceProgram(go, process.arch === 'arm64' ? 'arm64' : 'amd64');
  const { refused, harmless, failures } = await corruptBundles({ seed, count, program });
  const counts: Record<string, number> = { refused: refused, 'made the very target': harmless };
  return { failures, counts };
}

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
