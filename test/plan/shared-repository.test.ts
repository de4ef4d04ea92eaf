import { appendFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { newRepository, outcomes, plan, saveAll, writeTree, type Tree } from './saved-project.ts';

/** Two layers whose images differ by their tags alone. */
const tree: Tree = {
  'imgbuild.yaml': `version: 1
name: app
layers:
  cpu: { context: cpu, image: "app:cpu" }
  gpu: { context: gpu, image: "app:gpu" }
`,
  'cpu/Dockerfile': 'FROM scratch\nCOPY a /\n',
  'cpu/a': '1',
  'gpu/Dockerfile': 'FROM scratch\nCOPY b /\n',
  'gpu/b': '1',
};

async function saved(files: Tree = tree): Promise<string> {
  const folder = newRepository(files);
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  await saveAll(folder);
  return folder;
}

test('layers of one repository are each compared with their own last image', async () => {
  const folder = await saved();
  appendFileSync(path.join(folder, 'cpu/a'), '2');
  expect(await outcomes(folder)).toEqual(['cpu build: file-changed cpu/a', 'gpu reuse']);
  appendFileSync(path.join(folder, 'gpu/b'), '2');
  expect(await outcomes(folder)).toEqual(['cpu build: file-changed cpu/a', 'gpu build: file-changed gpu/b']);
  await saveAll(folder);
  appendFileSync(path.join(folder, 'gpu/b'), '3');
  expect(await outcomes(folder)).toEqual(['cpu reuse', 'gpu build: file-changed gpu/b']);
});

test('a layer that comes into the repository of another was never built, and takes nothing from it', async () => {
  const { 'imgbuild.yaml': both, ...files } = tree;
  const folder = await saved({ ...files, 'imgbuild.yaml': both!.replace(/ {2}gpu.*\n/, '') });
  writeTree(folder, { 'imgbuild.yaml': both!, 'cpu/a': '2' });
  expect(await outcomes(folder)).toEqual(['cpu build: file-changed cpu/a', 'gpu build: never-built']);
});

test('a layer with another name is compared with what it was', async () => {
  const folder = await saved();
  writeTree(folder, { 'imgbuild.yaml': tree['imgbuild.yaml']!.replace(' gpu:', ' cuda:'), 'gpu/b': '2' });
  const { builds } = await plan(folder);
  expect(builds.map(({ planned }) => planned.comparedWith !== null)).toEqual([false, true]);
  expect(await outcomes(folder)).toEqual(['cpu reuse', 'cuda build: file-changed gpu/b']);
});
