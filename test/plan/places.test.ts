import { rmSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { Failure } from '../../src/failure.ts';
import { chain, newRepository, plan, type Tree } from './saved-project.ts';

/** `file:line:column what is meant`, why and what to do. */
async function failureOf(tree: Tree) {
  const folder = newRepository({ ...chain, ...tree });
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const failure = await plan(folder).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(failure instanceof Failure)) throw failure;
  const { because, fix, at, kind } = failure;
  const meant = at?.text.slice(at.column - 1, at.column - 1 + at.length);
  return { place: `${at?.file}:${at?.line}:${at?.column} ${meant}`, because, fix, kind };
}

/** imgbuild.yaml with something more in the layer service, which is line 7. */
const service = (more: string): Tree => ({
  'imgbuild.yaml': chain['imgbuild.yaml']!.replace('release: true', more),
});

test('a target that is no stage is shown at target:', async () => {
  const dockerfile = 'FROM service_runtime_inference_engine:ubuntu_20.04 AS runtime\nFROM runtime AS tests\n';
  expect(await failureOf({ ...service('target: runtmie'), 'docker/service/Dockerfile': dockerfile })).toEqual({
    place: 'imgbuild.yaml:7:71 runtmie',
    because: 'there is no stage "runtmie"',
    fix: 'did you mean runtime? Its stages are runtime, tests',
    kind: 'input',
  });
});

test('a copy entry on what is there already is shown at its dst:', async () => {
  expect(await failureOf(service('copy: [{ src: docker/base, dst: app.py }]'))).toEqual({
    place: 'imgbuild.yaml:7:95 app.py',
    because: 'the destination is already there',
    fix: 'write another dst:, or remove what stands there',
    kind: 'input',
  });
});
