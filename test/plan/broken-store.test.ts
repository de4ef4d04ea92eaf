import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { silent } from '../../src/progress.ts';
import { buildProject } from '../../src/project/build.ts';
import { openProject } from '../../src/project/open.ts';
import { startMemoryRegistry } from '../support/registry-memory.ts';
import { chain, newRepository, plan, saveAll, writeTree, type Tree } from './saved-project.ts';

function repository(tree: Tree = chain): string {
  const folder = newRepository(tree);
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A build that finds no engine: whatever it says of the store, it says before anything is built. */
async function build(folder: string) {
  const project = await openProject({ directory: folder });
  return buildProject(project, {
    layers: [],
    force: false,
    load: false,
    frozen: true,
    progress: silent,
    env: { PATH: '', DOCKER_HOST: 'unix:///nowhere/docker.sock' },
    signal: new AbortController().signal,
    onEvent: () => {},
  });
}

test('a damaged index of the store ends plan and build before any work', async () => {
  const folder = repository();
  await saveAll(folder);
  writeFileSync(path.join(folder, '.imgbuild/store/index.json'), '{');
  const told = { doing: expect.stringMatching(/^reading .*\.imgbuild\/store\/index\.json$/) };
  await expect(plan(folder)).rejects.toMatchObject(told);
  await expect(build(folder)).rejects.toMatchObject(told);
});

test.each([
  ['a file', { '.imgbuild/store': '' }, /a file stands there/],
  ['a folder of something else', { '.imgbuild/store/thesis.txt': '' }, /holds thesis\.txt/],
])('%s in place of the store ends plan and build before any work', async (_, tree, because) => {
  const folder = repository();
  writeTree(folder, tree);
  for (const work of [plan, build]) {
    await expect(work(folder)).rejects.toMatchObject({ kind: 'input', because: expect.stringMatching(because) });
  }
});

test('a registry that this login may only read is planned with, and ends a build before any work', async () => {
  const registry = await startMemoryRegistry();
  onTestFinished(() => registry.close());
  const body = JSON.stringify({ errors: [{ code: 'DENIED', message: 'requested access is denied' }] });
  registry.fault = ({ method }) => (method === 'POST' ? { status: 403, body } : undefined);
  const yaml = chain['imgbuild.yaml']!.replace('layers:', `store: ${registry.host}/acme\nlayers:`);
  const folder = repository({ ...chain, 'imgbuild.yaml': yaml });
  expect((await plan(folder)).plan.hasWork).toBe(true);
  await expect(build(folder)).rejects.toMatchObject({
    doing: expect.stringMatching(/^asking for the right to push to .*\/acme\/service_runtime/),
  });
});
