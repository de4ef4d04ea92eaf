import { featuresOf, prepareOutside, type BuildKit } from './buildkit.ts';
import { edits } from './edits.ts';
import { generateWorld, type Features } from './generate.ts';
import { judge, type Verdict } from './judge.ts';
import { observeHistory, withFolder, type Observed } from './observe.ts';
import { randomFrom, type Random } from './random.ts';

/** A daemon that is ready to be compared with. */
export interface Comparable {
  buildkit: BuildKit;
  features: Features;
}

/** Edits of one world, before a fresh one begins. */
const editsPerWorld = 12;
const back = 'back to an earlier state';
export const editKinds = [...Object.keys(edits), back];

/** `rootfs`: the tar of a small root file system with a shell. */
export async function prepare(buildkit: BuildKit, rootfs: string): Promise<Comparable> {
  return withFolder(async (folder, write) => {
    await prepareOutside(buildkit, rootfs, folder, write);
    return { buildkit, features: await featuresOf(buildkit, folder, write) };
  });
}

/** Takes the kinds in an order of chance, all of them before one comes again; what cannot be used yet stays. */
function deckOf(kinds: readonly string[], random: Random): <T>(use: (kind: string) => T | undefined) => T {
  let deck: string[] = [];
  return (use) => {
    for (;;) {
      const left = [...deck];
      while (left.length > 0) {
        const [kind] = left.splice(random.below(left.length), 1);
        const used = use(kind!);
        if (used === undefined) continue;
        deck.splice(deck.indexOf(kind!), 1);
        return used;
      }
      deck = [...deck, ...kinds];
    }
  };
}

/** Makes `count` edits in worlds that follow from the seed, and has BuildKit build after each. */
export async function observeEdits(
  { buildkit, features }: Comparable,
  { seed, count, kinds = editKinds }: { seed: number; count: number; kinds?: readonly string[] },
): Promise<Observed> {
  const all: Observed = { observations: [], refused: {} };
  const draw = deckOf(kinds, randomFrom(seed));
  // BuildKit keeps its cache: each run has names of its own.
  const run = Date.now().toString(36);
  for (let done = 0; done < count; done += editsPerWorld) {
    const random = randomFrom(seed * 1_000 + done);
    let left = Math.min(editsPerWorld, count - done);
    const { observations, refused } = await observeHistory({
      buildkit,
      world: generateWorld(random, features, `${seed}x${done}x${run}`),
      commit: random.chance(0.5),
      next(world, states) {
        if (left-- === 0) return undefined;
        return draw((kind) => {
          if (kind === back) return { kind, change: true, world: structuredClone(random.pick(states)) };
          const change = edits[kind]!(world, random);
          return change === false ? undefined : { kind, change, world };
        });
      },
    });
    all.observations.push(...observations);
    for (const [kind, times] of Object.entries(refused)) all.refused[kind] = (all.refused[kind] ?? 0) + times;
  }
  return all;
}

export interface AgreementRun extends Verdict {
  refused: Record<string, number>;
}

/** Compares imgbuild's fingerprints with what BuildKit does, over `count` random edits. */
export async function runAgreement(request: {
  seed: number;
  count: number;
  engine: Comparable;
}): Promise<AgreementRun> {
  const { observations, refused } = await observeEdits(request.engine, request);
  return { ...judge(observations), refused };
}
