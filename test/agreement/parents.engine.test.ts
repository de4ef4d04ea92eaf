import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { remoteBuilder, type RemoteBuilder } from '../../scripts/support/buildkit.ts';
import { EngineUnavailable } from '../../scripts/support/engines.ts';
import { openContext, openWorkTree } from '../../src/context/context.ts';
import { analyse } from '../../src/dockerfile/analyse.ts';
import { parseDockerfile } from '../../src/dockerfile/parse.ts';
import { hostPlatform } from '../../src/oci/platform.ts';
import { fingerprintOf } from '../../src/plan/fingerprint.ts';
import { run } from '../../src/process/run.ts';
import { stepsThatRan } from './buildkit.ts';
import { edits } from './edits.ts';
import { generateWorld } from './generate.ts';
import { randomFrom, type Random } from './random.ts';
import { Checkout, type World } from './world.ts';

/** COPY --parents came to the Dockerfile's own frontend later than the rest: a buildkitd by itself may know it. */
const engine = inject('engines').current;
let builder: RemoteBuilder | undefined;
let because = 'there is no engine with buildx';
beforeAll(async () => {
  if (!engine.available || engine.buildx === undefined) return;
  try {
    builder = await remoteBuilder(engine, `parents-${process.pid}`);
  } catch (error) {
    if (!(error instanceof EngineUnavailable)) throw error;
    because = error.message;
  }
}, 900_000);
afterAll(async () => builder?.stop());

/** Steps that were not in the cache; undefined when the build is refused. */
async function stepsOf(context: string, dockerfile: string): Promise<string[] | undefined> {
  if (!engine.available || !builder) throw new Error(because);
  const args = ['buildx', 'build', '--builder', builder.name, '--progress=plain', '--provenance=false'];
  const built = await run('docker', [...args, '--output=type=cacheonly', '--file', dockerfile, context], {
    env: engine.env,
  });
  return built.exitCode === 0 ? stepsThatRan(built.stderr) : undefined;
}

async function knowsParents(): Promise<boolean> {
  const folder = await mkdtemp(path.join(tmpdir(), 'imgbuild-parents-'));
  try {
    await writeFile(path.join(folder, 'Dockerfile'), 'FROM scratch\nCOPY --parents Dockerfile /x/\n');
    return (await stepsOf(folder, path.join(folder, 'Dockerfile'))) !== undefined;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const sources = [
  'src/./sub/*.txt',
  './src/*.txt',
  'conf/*/x.conf',
  '**/*.conf',
  'conf/./**/y.conf',
  'src',
  './conf/./one',
  '*/sub',
  'lib/**',
  'data/*.log src/**/c.txt',
  'link',
  'lib/to-a',
  '**',
  'nothing*',
];
const excludes = ['', '--exclude=*.md ', '--exclude=one ', '--exclude=**/c.txt '];
const kinds = Object.keys(edits).filter(
  (kind) => /file|folder|content|link|touch|ignore|bit/.test(kind) && !/base|copy entry/.test(kind),
);

function parentsWorld(random: Random, id: string): World {
  const world = generateWorld(random, { heredoc: true, exclude: true, link: true, parents: true }, id);
  const copy = () => `COPY --parents ${random.pick(excludes)}${random.pick(sources)} /kept/`;
  const texts = ['FROM scratch', copy(), copy(), `COPY src/a.txt /${id}`];
  world.dockerfiles.app = texts.map((text) => ({ text, tags: [] }));
  return { ...world, copy: [], target: undefined };
}

/** The context's part of the fingerprint, and what BuildKit runs. */
async function look(root: string): Promise<{ fingerprint: string; ran: string[] } | undefined> {
  const layer = { context: 'app', dockerfile: 'app/Dockerfile', copy: [], git: false };
  const context = await openContext({ root, layer, tree: await openWorkTree(root) });
  const ready = await context.materialise();
  try {
    const text = await readFile(ready.dockerfile, 'utf8');
    const platform = hostPlatform();
    const read = { args: {}, platform, buildPlatform: platform, traitsOf: () => undefined };
    const { inputs, files } = analyse(parseDockerfile(text, layer.dockerfile), read);
    const hashed = await context.select(files);
    const ran = await stepsOf(ready.path, ready.dockerfile);
    return ran && { fingerprint: fingerprintOf(inputs, hashed), ran };
  } finally {
    await ready.dispose();
  }
}

test('the fingerprint and BuildKit agree over COPY --parents', async ({ skip }) => {
  skip(!builder, because);
  skip(!(await knowsParents()), 'this BuildKit does not know COPY --parents without a # syntax line');
  const disagreements: string[] = [];
  let found = 0;
  for (let seed = 900; seed < 904; seed++) {
    const random = randomFrom(seed);
    const root = await mkdtemp(path.join(tmpdir(), 'imgbuild-parents-'));
    try {
      await mkdir(path.join(root, 'app'), { mode: 0o755 });
      const checkout = new Checkout(root);
      let world = parentsWorld(random, `p${seed}x${Date.now().toString(36)}`);
      const seen = new Set<string>();
      for (let step = 0; step < 11; step++) {
        const before = structuredClone(world);
        const kind = step === 0 ? 'start' : random.pick(kinds);
        const change = step === 0 ? true : edits[kind]!(world, random);
        await checkout.write(world);
        if (typeof change === 'function') await change(root);
        const state = await look(root);
        if (!state) {
          world = before;
          await checkout.write(world);
          continue;
        }
        if (seen.has(state.fingerprint)) {
          found++;
          if (state.ran.length > 0) disagreements.push(`seed ${seed}, ${kind}: BuildKit ran ${state.ran.join('; ')}`);
        }
        seen.add(state.fingerprint);
      }
    } finally {
      await rm(root, { recursive: true, force: true });
    }
  }
  expect(disagreements).toEqual([]);
  expect(found).toBeGreaterThan(5);
});
