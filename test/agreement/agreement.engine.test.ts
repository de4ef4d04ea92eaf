import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { Input } from '../../src/plan/input.ts';
import { judge, type Disagreement } from './judge.ts';
import { observeHistory, type Observation } from './observe.ts';
import { prepare, runAgreement, type Comparable } from './run.ts';
import { beyondBuildKit, doubled, scenarioWorld, told, type Scenario } from './scenarios.ts';

/** Edits in the sample that every run of the tests makes; `npm run soak -- agreement` makes hundreds. */
const sample = { current: 60, classic: 12 };

const texts = (disagreements: readonly Disagreement[]) =>
  disagreements.map(
    ({ observation, because }) => `${observation.world} ${observation.edit}, ${observation.layer}: ${because}`,
  );

describe.each(['current', 'classic'] as const)('the fingerprint and the BuildKit of the %s engine', (name) => {
  const engine = inject('engines')[name];
  let comparable: Comparable;
  beforeAll(async () => {
    if (engine.available) comparable = await prepare(engine, inject('rootfs').tiny);
  });

  test.skipIf(!engine.available)(
    'agree over random edits: what is found again, BuildKit has in its cache',
    async () => {
      const run = await runAgreement({ seed: 1, count: sample[name], engine: comparable });
      expect(texts(run.disagreements)).toEqual([]);
      expect(run.reused).toBeGreaterThan(sample[name] / 6);
      expect(run.built).toBeGreaterThan(sample[name] / 6);
    },
  );
});

describe('a fingerprint that leaves out a kind of input', () => {
  const engine = inject('engines').current;
  let comparable: Comparable;
  let server: Server;
  let made = 0;
  beforeAll(async () => {
    if (!engine.available) return;
    comparable = await prepare(engine, inject('rootfs').tiny);
    server = createServer((request, response) => response.end(request.url));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => server?.close());

  async function observe(scenario: Scenario): Promise<Observation[]> {
    let done = false;
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { observations, refused } = await observeHistory({
      buildkit: comparable.buildkit,
      world: scenarioWorld(scenario, `s${made++}x${Date.now().toString(36)}`, address),
      commit: false,
      next(world) {
        if (done) return undefined;
        done = true;
        return { kind: 'scenario', change: scenario.edit(world, undefined!), world };
      },
    });
    expect(refused).toEqual({});
    return observations;
  }

  test.skipIf(!engine.available).each(Object.entries(told))(
    '%s: BuildKit builds what would be found again',
    async (kind, scenario) => {
      const observations = await observe(scenario);
      expect(texts(judge(observations).disagreements)).toEqual([]);
      expect(texts(judge(observations, [kind as Input['kind']]).disagreements)).not.toEqual([]);
    },
  );

  test.skipIf(!engine.available).each(Object.entries(doubled))(
    '%s: the instructions make up for it, and nothing else',
    async (kind, scenario) => {
      const observations = await observe(scenario);
      expect(texts(judge(observations, [kind as Input['kind']]).disagreements)).toEqual([]);
      expect(texts(judge(observations, [kind as Input['kind'], 'instruction']).disagreements)).not.toEqual([]);
    },
  );

  test('is tried for every kind that BuildKit can see', () => {
    // The compiler checks that the list is whole.
    const kinds: Record<Input['kind'], true> = {
      instruction: true,
      directive: true,
      arg: true,
      file: true,
      base: true,
      parent: true,
      onbuild: true,
      platform: true,
      target: true,
      mount: true,
      label: true,
      epoch: true,
      remote: true,
      tool: true,
      package: true,
      prepare: true,
      'prepare-file': true,
    };
    const tried = [...Object.keys(told), ...Object.keys(doubled), ...Object.keys(beyondBuildKit)];
    expect(tried.toSorted()).toEqual(Object.keys(kinds).toSorted());
  });
});
