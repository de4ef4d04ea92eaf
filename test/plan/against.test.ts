import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import type { Digest } from '../../src/oci/digest.ts';
import { openProject } from '../../src/project/open.ts';
import type { Release } from '../../src/release/release-json.ts';
import { commitRelease } from '../../src/release/release-store.ts';
import { renderExplanation } from '../../src/report/explain.ts';
import { styleFor } from '../../src/report/failure.ts';
import { renderPlan } from '../../src/report/plan.ts';
import { newRepository, outcomes, plan, saveAll, writeTree } from './saved-project.ts';

/** Commits a release of what is saved for the tree as it is. */
async function release(folder: string, version: string): Promise<void> {
  const { plan: planned } = await plan(folder);
  const fingerprints = planned.layers.map(({ name, repository, platform, fingerprint, digest }) => {
    return { layer: name, repository, platform, fingerprint, digest: digest! };
  });
  const nothing = { images: [], debs: [], models: [], deltas: [] };
  const made: Release = { schema: 1, name: 'ccai', version, previous: null, revision: null, fingerprints, ...nothing };
  await commitRelease((await openProject({ directory: folder })).store, made);
}

async function releasedThenEdited(): Promise<{ folder: string; digests: Map<string, Digest> }> {
  const folder = newRepository();
  const digests = await saveAll(folder);
  await release(folder, '1.0.0');
  writeFileSync(path.join(folder, 'docker/service/app.py'), 'print("bye")\n');
  return { folder, digests };
}

test('--against a release names what changed since then, whatever was built in between', async () => {
  const { folder, digests } = await releasedThenEdited();
  await saveAll(folder);
  writeTree(folder, {
    'docker/service/Dockerfile': 'FROM service_runtime_inference_engine:ubuntu_20.04\nARG OPENVINO\nCOPY app.py /\n',
  });
  expect((await outcomes(folder))[2]).toBe('service build: instruction-changed');
  expect(await outcomes(folder, { against: 'v1.0.0' })).toEqual([
    'base reuse',
    'engine reuse',
    'service build: file-changed docker/service/app.py, instruction-changed',
  ]);
  const { plan: against } = await plan(folder, { against: '1.0.0' });
  expect(against.layers.map(({ comparedWith }) => comparedWith)).toEqual([...digests.values()]);
});

test('--against a release tells of a layer that is saved, but differs from the release', async () => {
  const { folder } = await releasedThenEdited();
  await saveAll(folder);
  expect(await outcomes(folder)).toEqual(['base reuse', 'engine reuse', 'service reuse']);
  const { plan: against, builds } = await plan(folder, { against: '1.0.0' });
  expect(against).toMatchObject({ hasWork: false, waves: [] });
  expect(renderPlan(against, styleFor({}, {}))).toMatch(
    /service {2}reuse {2}sha256:[0-9a-f]{12} {2}docker\/service\/app\.py changed\n/,
  );
  const explained = renderExplanation(builds[2]!, styleFor({}, {}));
  expect(explained).toMatch(/reuse, saved as sha256:[0-9a-f]{64}, compared with sha256:[0-9a-f]{64}\n/);
  expect(explained).toMatch(/^- file .* app\.py$/m);
  expect(explained).toMatch(/^\+ file .* app\.py$/m);
});

test('--against a layer that the release had not: it was never built then', async () => {
  const { folder } = await releasedThenEdited();
  writeTree(folder, {
    'imgbuild.yaml': 'version: 1\nname: ccai\nlayers:\n  new: { context: docker/new }\n',
    'docker/new/Dockerfile': 'FROM debian:12\n',
  });
  expect(await outcomes(folder, { against: '1.0.0' })).toEqual(['new build: never-built']);
});

test('--against a version that is no release names those that are', async () => {
  const { folder } = await releasedThenEdited();
  await expect(plan(folder, { against: '2.0.0' })).rejects.toMatchObject({
    doing: 'comparing with 2.0.0',
    fix: 'it has 1.0.0',
    kind: 'input',
  });
  await expect(plan(folder, { against: 'yesterday' })).rejects.toMatchObject({ kind: 'input' });
});
