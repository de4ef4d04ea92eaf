import { rmSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { Failure, Failures } from '../../src/failure.ts';
import type { ProjectPlanOptions } from '../../src/project/plan.ts';
import { chain, newRepository, plan, type Tree } from './saved-project.ts';

/** `file:line:column what is meant`, why and what to do. */
async function failureOf(tree: Tree, options: Partial<ProjectPlanOptions> = {}) {
  const folder = newRepository({ ...chain, ...tree });
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const failure = await plan(folder, options).then(
    () => undefined,
    (error: unknown) => error,
  );
  const told: unknown = failure instanceof Failures ? failure.failures[0] : failure;
  if (!(told instanceof Failure)) throw told;
  const { because, fix, at, kind } = told;
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

test('a FROM that names nothing says in the error what was meant, with and without --frozen', async () => {
  const dockerfile = { 'docker/service/Dockerfile': 'FROM service_runtime_inference_engin:ubuntu_20.04\n' };
  expect(await failureOf(dockerfile)).toMatchObject({
    place: 'docker/service/Dockerfile:1:6 service_runtime_inference_engin:ubuntu_20.04',
    fix: expect.stringMatching(/^did you mean service_runtime_inference_engine:ubuntu_20\.04\? Else run/),
  });
  // Nothing listens there: neither a registry nor a Docker is asked in vain for long.
  const local = {
    'imgbuild.yaml': chain['imgbuild.yaml']!.replace('layers:', 'store: localhost:1/store\nlayers:'),
    'docker/base/Dockerfile': 'FROM localhost:1/store/service_runtime_bsae:ubuntu_20.04\n',
  };
  expect(await failureOf(local, { frozen: false })).toMatchObject({
    fix: expect.stringMatching(/^did you mean localhost:1\/store\/service_runtime_base:ubuntu_20\.04\? Else log in/),
  });
});

test('COPY --from of a misspelt stage names the stage', async () => {
  const dockerfile = [
    'FROM service_runtime_inference_engine:ubuntu_20.04 AS buidl',
    'FROM service_runtime_inference_engine:ubuntu_20.04',
    'COPY --from=build /a /a',
    '',
  ].join('\n');
  expect(await failureOf({ 'docker/service/Dockerfile': dockerfile })).toMatchObject({
    place: 'docker/service/Dockerfile:3:13 build',
    fix: expect.stringMatching(/^did you mean buidl\?/),
  });
});
