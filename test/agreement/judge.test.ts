import { expect, test } from 'vitest';
import type { Input } from '../../src/plan/input.ts';
import { stepsThatRan } from './buildkit.ts';
import { judge } from './judge.ts';
import type { Observation } from './observe.ts';

const image = (label: string) => ({
  id: label,
  config: { Labels: { label } },
  rootfs: ['sha256:1'],
  platform: 'linux/amd64',
});
const file = (hash: string): Input => ({ kind: 'file', path: 'a', mode: '100644', hash });
const observed = (step: number, inputs: Input[], ran: string[], label = 'same'): Observation => ({
  world: 'w',
  step,
  edit: `edit ${step}`,
  layer: 'app',
  inputs,
  ran,
  image: image(label),
});

test('what is found again must be in the cache', () => {
  expect(judge([observed(0, [file('1')], ['a']), observed(1, [file('1')], [])])).toMatchObject({
    disagreements: [],
    reused: 1,
  });
  const { disagreements } = judge([observed(0, [file('1')], ['a']), observed(1, [file('1')], ['COPY a /'])]);
  expect(disagreements.map(({ because }) => because)).toEqual(['BuildKit ran COPY a /']);
});

test('what is found again must be the same image', () => {
  expect(judge([observed(0, [file('1')], ['a']), observed(1, [file('1')], [], 'other')]).disagreements).toHaveLength(1);
});

test('an input left out is missed', () => {
  const history = [observed(0, [file('1')], ['a']), observed(1, [file('2')], ['a'])];
  expect(judge(history).disagreements).toEqual([]);
  expect(judge(history, ['file']).disagreements).toHaveLength(1);
});

test('a state that comes back is found again; a build without need is counted by its edit', () => {
  const history = [
    observed(0, [file('1')], ['a']),
    observed(1, [file('2')], ['a']),
    observed(2, [file('1')], []),
    observed(3, [file('3')], []),
    observed(4, [file('4')], [], 'other'),
  ];
  expect(judge(history)).toMatchObject({
    disagreements: [],
    reused: 1,
    built: 2,
    overbuilt: { 'edit 3': { sameImage: 1, otherImage: 0 }, 'edit 4': { sameImage: 0, otherImage: 1 } },
  });
});

test('a parent counts with the fingerprint that it has without the input left out', () => {
  const parent: Input = { kind: 'parent', layer: 'base', reference: 'r', fingerprint: '?' };
  const step = (at: number, hash: string, ran: string[]): Observation[] => [
    { ...observed(at, [file(hash)], ran), layer: 'base' },
    observed(at, [parent], ran),
  ];
  const history = [...step(0, '1', ['a']), ...step(1, '2', ['a'])];
  expect(judge(history).disagreements).toEqual([]);
  expect(judge(history, ['parent']).disagreements.map(({ observation }) => observation.layer)).toEqual(['app']);
});

test("steps are read from BuildKit's progress", () => {
  const progress = `#1 [internal] load build definition from Dockerfile
#1 DONE 0.0s
#4 [build 1/3] FROM docker.io/library/base:1
#4 DONE 0.1s
#5 [build 2/3] RUN : one
#5 CACHED
#6 [build 3/3] COPY a /
#6 DONE 0.1s
#7 [2/2] RUN [ -f x ]
#7 sha256:0123 0B / 1B
#7 0.123 #5 CACHED
#7 DONE 0.1s
#8 exporting to image
#8 DONE 0.0s`;
  expect(stepsThatRan(progress)).toEqual(['[build 3/3] COPY a /', '[2/2] RUN [ -f x ]']);
});
