import { tinyBase } from '../../scripts/support/base-image.ts';
import { currentEngine, debianEngine, type RunningEngine } from '../../scripts/support/engines.ts';
import { prepare, runAgreement, type Comparable } from './run.ts';

const note = (text: string) => process.stderr.write(`agreement: ${text}\n`);
const started: { running: RunningEngine; comparable: Comparable }[] = [];

/** Both engines, started once for all parts. */
async function engines(): Promise<Comparable[]> {
  if (started.length === 0) {
    const rootfs = await tinyBase(note);
    for (const start of [currentEngine, debianEngine]) {
      const running = await start({ note });
      started.push({ running, comparable: await prepare(running, rootfs) });
    }
  }
  return started.map(({ comparable }) => comparable);
}

/** For `npm run soak -- agreement`: random edits with both engines, two of three with the current one. */
export const agreementSoak = {
  total: 900,
  part: 60,
  async run({ seed, count }: { seed: number; count: number }) {
    const failures: string[] = [];
    const counts: Record<string, number> = {};
    const add = (name: string, value: number) => (counts[name] = (counts[name] ?? 0) + value);
    const [current, classic] = await engines();
    const share = Math.ceil((count * 2) / 3);
    for (const [engine, edits] of [
      [current!, share],
      [classic!, count - share],
    ] as const) {
      const run = await runAgreement({ seed, count: edits, engine });
      const { version } = engine.buildkit;
      for (const { observation, because } of run.disagreements) {
        failures.push(`${version}, world ${observation.world}, ${observation.edit}, ${observation.layer}: ${because}`);
      }
      add(`${version}: edits`, edits);
      add(`${version}: found again by both`, run.reused);
      add(`${version}: built by both`, run.built);
      for (const [kind, { otherImage, sameImage }] of Object.entries(run.overbuilt)) {
        add(`built by imgbuild alone: ${kind}`, otherImage + sameImage);
        add(`built by imgbuild alone, another image: ${kind}`, otherImage);
      }
      for (const [kind, times] of Object.entries(run.refused)) add(`refused by the engine: ${kind}`, times);
    }
    return { failures, counts };
  },
  async stop() {
    for (const { running } of started.splice(0)) await running.stop();
  },
};
