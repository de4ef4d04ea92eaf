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
const editsPerWorld = 20;
const back = 'back to an earlier state';
export const editKinds = [...Object.keys(edits), back];

/** `rootfs`: the tar of a small root file system with a shell. */
export async function prepare(buildkit: BuildKit, rootfs: string): Promise<Comparable> {
  return withFolder(async (folder, write) => {
    await prepareOutside(buildkit, rootfs, folder, write);
    return { buildkit, features: await featuresOf(buildkit, folder, write) };
  });
}

/** Kinds in an order of chance, all of them before one comes again. */
function deckOf(kinds: readonly string[], random: Random): () => string {
  let deck: string[] = [];
  return () => {
    if (deck.length === 0) deck = [...kinds];
    return deck.splice(random.below(deck.length), 1)[0]!;
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
        for (;;) {
          const kind = draw();
          if (kind === back) return { kind, change: true, world: structuredClone(random.pick(states)) };
          const change = edits[kind]!(world, random);
          if (change !== false) return { kind, change, world };
        }
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
