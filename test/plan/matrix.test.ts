import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chainMatrix, runnersFrom, waveMatrices } from '../../src/plan/matrix.ts';
import type { Plan, PlannedLayer } from '../../src/plan/plan.ts';
import { wavesOf } from '../../src/plan/waves.ts';

const github = runnersFrom(new Map());

function layer(
  name: string,
  action: 'build' | 'reuse',
  parents: string[] = [],
  platform = 'linux/amd64',
): PlannedLayer {
  return {
    name,
    platform,
    image: name,
    repository: name,
    fingerprint: '0'.repeat(64),
    action,
    digest: action === 'reuse' ? `sha256:${'1'.repeat(64)}` : null,
    parents,
    wave: null,
    comparedWith: null,
    reasons: [],
    reasonCount: 0,
  };
}

function plan(...layers: PlannedLayer[]): Plan {
  const waves = wavesOf(layers);
  for (const [wave, members] of waves.entries()) for (const member of members) member.wave = wave;
  return {
    schema: 1,
    store: 'ghcr.io/acme/app',
    layers,
    waves: waves.map((members) => members.map(({ name, platform }) => ({ name, platform }))),
    hasWork: waves.length > 0,
    warnings: [],
  };
}

describe('the matrix of chains', () => {
  test('a chain is one leg, its layers in order', () => {
    const made = chainMatrix(
      plan(layer('base', 'build'), layer('engine', 'build', ['base']), layer('service', 'build', ['engine'])),
      github,
    );
    expect(made.include).toEqual([
      { chain: 'base', layers: 'base engine service', platform: 'linux/amd64', runner: 'ubuntu-latest' },
    ]);
  });

  test('two independent chains are two legs', () => {
    const made = chainMatrix(plan(layer('a', 'build'), layer('b', 'build'), layer('c', 'build', ['b'])), github);
    expect(made.include.map((leg) => leg.layers)).toEqual(['a', 'b c']);
  });

  test('a layer from the store connects nothing', () => {
    const made = chainMatrix(
      plan(layer('base', 'reuse'), layer('a', 'build', ['base']), layer('b', 'build', ['base'])),
      github,
    );
    expect(made.include.map((leg) => leg.layers)).toEqual(['a', 'b']);
  });

  test('a layer with two built parents joins their chains', () => {
    const made = chainMatrix(plan(layer('a', 'build'), layer('b', 'build'), layer('c', 'build', ['a', 'b'])), github);
    expect(made.include.map((leg) => leg.layers)).toEqual(['a b c']);
  });

  test('each platform has legs of its own, on its own runner', () => {
    const made = chainMatrix(plan(layer('a', 'build'), layer('a', 'build', [], 'linux/arm64')), github);
    expect(made.include).toEqual([
      { chain: 'a-linux-amd64', layers: 'a', platform: 'linux/amd64', runner: 'ubuntu-latest' },
      { chain: 'a-linux-arm64', layers: 'a', platform: 'linux/arm64', runner: 'ubuntu-24.04-arm' },
    ]);
  });

  test('runners can be chosen by platform', () => {
    const chosen = runnersFrom(new Map<string, string | string[]>([['linux/amd64', ['self-hosted', 'big']]]));
    expect(chainMatrix(plan(layer('a', 'build')), chosen).include[0]!.runner).toEqual(['self-hosted', 'big']);
  });

  test('nothing to do is an empty matrix', () => {
    expect(chainMatrix(plan(layer('a', 'reuse')), github)).toEqual({ include: [] });
  });

  test('more chains than a matrix may have share legs, and none is lost', () => {
    const names = Array.from({ length: 600 }, (_, index) => `l${index}`);
    const made = chainMatrix(plan(...names.map((name) => layer(name, 'build'))), github);
    expect(made.include).toHaveLength(256);
    expect(made.include.flatMap((leg) => leg.layers.split(' ')).toSorted()).toEqual(names.toSorted());
    expect(new Set(made.include.map((leg) => leg.chain)).size).toBe(256);
  });
});

describe('the matrices of waves', () => {
  test('three waves fill three of the four jobs', () => {
    const made = waveMatrices(
      plan(layer('a', 'build'), layer('b', 'build', ['a']), layer('c', 'build', ['a']), layer('d', 'build', ['b'])),
      github,
    );
    expect(made.map((matrix) => matrix.include.map((leg) => leg.layers))).toEqual([['a'], ['b', 'c'], ['d'], []]);
  });

  test('the last job takes the rest in order', () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    const made = waveMatrices(
      plan(...names.map((name, index) => layer(name, 'build', index === 0 ? [] : [names[index - 1]!]))),
      github,
    );
    expect(made.map((matrix) => matrix.include.map((leg) => leg.layers))).toEqual([['a'], ['b'], ['c'], ['d e f']]);
  });
});

/** Any acyclic chain of layers on up to two platforms, some of them saved. */
const plans = fc
  .array(fc.record({ build: fc.boolean(), parents: fc.array(fc.nat(30), { maxLength: 3 }), arm: fc.boolean() }), {
    minLength: 1,
    maxLength: 30,
  })
  .map((nodes) => {
    const layers: PlannedLayer[] = [];
    for (const [index, node] of nodes.entries()) {
      const platform = node.arm ? 'linux/arm64' : 'linux/amd64';
      const below = layers.filter((other) => other.platform === platform);
      const parents = [...new Set(node.parents.flatMap((parent) => below[parent]?.name ?? []))];
      const built = below.some((other) => parents.includes(other.name) && other.action === 'build');
      layers.push(layer(`l${index}`, node.build || built ? 'build' : 'reuse', parents, platform));
    }
    return plan(...layers);
  });

test('every layer to build is in exactly one leg, after its parents, and no leg needs another one', () => {
  fc.assert(
    fc.property(plans, (made) => {
      const building = made.layers.filter((one) => one.action === 'build');
      const legs = chainMatrix(made, github).include;
      const placed = legs.flatMap((leg) => leg.layers.split(' ').map((name) => `${name} ${leg.platform}`));
      expect(placed.toSorted()).toEqual(building.map((one) => `${one.name} ${one.platform}`).toSorted());
      for (const leg of legs) {
        const names = leg.layers.split(' ');
        for (const [index, name] of names.entries()) {
          const { parents } = building.find((one) => one.name === name && one.platform === leg.platform)!;
          const builtParents = parents.filter((parent) =>
            building.some((one) => one.name === parent && one.platform === leg.platform),
          );
          for (const parent of builtParents) expect(names.slice(0, index)).toContain(parent);
        }
      }
    }),
  );
});

test('waves: every layer to build is in exactly one leg, and its parents in an earlier job or before it in its leg', () => {
  fc.assert(
    fc.property(plans, (made) => {
      const building = made.layers.filter((one) => one.action === 'build');
      const jobs = waveMatrices(made, github).map((matrix) => matrix.include);
      const place = new Map<string, { job: number; leg: string; at: number }>();
      for (const [job, legs] of jobs.entries()) {
        for (const leg of legs) {
          for (const [at, name] of leg.layers.split(' ').entries()) {
            const key = `${name} ${leg.platform}`;
            expect(place.has(key)).toBe(false);
            place.set(key, { job, leg: leg.chain, at });
          }
        }
      }
      expect(place.size).toBe(building.length);
      for (const one of building) {
        const here = place.get(`${one.name} ${one.platform}`)!;
        for (const parent of one.parents) {
          const there = place.get(`${parent} ${one.platform}`);
          if (!there) continue;
          const before = there.job < here.job || (there.leg === here.leg && there.at < here.at);
          expect(before).toBe(true);
        }
      }
    }),
  );
});
