import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { initialise } from '../../src/cli/init.ts';
import { checkConfig } from '../../src/config/check.ts';
import { inferLayers, writeConfig } from '../../src/config/infer.ts';
import { loadConfig } from '../../src/config/load.ts';

let root: string;
let file: string;
beforeEach(async () => {
  root = join(await mkdtemp(join(tmpdir(), 'imgbuild-init-')), 'My Project');
  await mkdir(root);
  file = join(root, 'imgbuild.yaml');
});
afterEach(() => rm(dirname(root), { recursive: true }));

async function tree(files: Record<string, string>) {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
}

async function chain() {
  await initialise(file);
  const config = await loadConfig(file);
  return config.layers.map(({ name, context, dockerfile, image }) => `${name} ${image.text} ${context} ${dockerfile}`);
}

test('three folders become a chain, parents first, their images named as the FROMs say', async () => {
  await tree({
    'docker/a-service/Dockerfile': 'FROM acme/runtime_engine:2\n',
    'docker/base/Dockerfile': 'FROM ubuntu:20.04\n',
    'docker/engine/Dockerfile': 'ARG BASE=service_runtime_base:ubuntu_20.04\nFROM $BASE AS x\nFROM x\n',
  });
  expect(await chain()).toEqual([
    'base service_runtime_base:ubuntu_20.04 docker/base docker/base/Dockerfile',
    'engine acme/runtime_engine:2 docker/engine docker/engine/Dockerfile',
    'a-service a-service docker/a-service docker/a-service/Dockerfile',
  ]);
  const text = await readFile(file, 'utf8');
  expect(text).toContain('# from outside: ubuntu:20.04');
  expect(text).toContain('name: my-project');
});

test('Dockerfiles are found by their names; .git, node_modules, .imgbuild and ignore files are passed over', async () => {
  await tree({
    Dockerfile: 'FROM debian\n',
    'Dockerfile.dev': 'FROM debian\n',
    'Dockerfile.dockerignore': 'x\n',
    'hadoop.Dockerfile': 'FROM debian\n',
    'x/drivers.common.dockerfile': 'FROM debian\n',
    '.git/Dockerfile': 'FROM no\n',
    'x/node_modules/y/Dockerfile': 'FROM no\n',
    '.imgbuild/Dockerfile': 'FROM no\n',
    'x/NotADockerfile': 'FROM no\n',
  });
  expect(await chain()).toEqual([
    'my-project my-project . Dockerfile',
    'dev dev . Dockerfile.dev',
    'hadoop hadoop . hadoop.Dockerfile',
    'drivers.common drivers.common x x/drivers.common.dockerfile',
  ]);
});

test('the context is the nearest folder that has what is copied', async () => {
  await tree({
    'services/api/Dockerfile': 'FROM debian\nCOPY services/api/main.py common/*.py /\n',
    'services/api/main.py': '',
    'common/log.py': '',
    'services/web/Dockerfile': 'FROM debian\nCOPY index.html .\nCOPY --from=other /x /y\n',
    'services/web/index.html': '',
    'services/lost/Dockerfile': 'FROM debian\nCOPY nowhere .\n',
  });
  expect(await chain()).toEqual([
    'api api . services/api/Dockerfile',
    'lost lost services/lost services/lost/Dockerfile',
    'web web services/web services/web/Dockerfile',
  ]);
});

test('a folder named like an official image is not that image', async () => {
  await tree({ 'python/Dockerfile': 'FROM debian\n', 'app/Dockerfile': 'FROM python:3.12-slim\n' });
  expect(await chain()).toEqual(['app app app app/Dockerfile', 'python python python python/Dockerfile']);
});

test('folders of one name are told apart by those above them', async () => {
  await tree({ 'a/base/Dockerfile': 'FROM debian\n', 'b/base/Dockerfile': 'FROM debian\n' });
  expect((await chain()).map((line) => line.split(' ')[0])).toEqual(['a-base', 'b-base']);
});

test('a Dockerfile that cannot be read is listed with the reason', async () => {
  await tree({ 'a/Dockerfile': 'COPY x y\n' });
  const [layer] = await initialise(file);
  expect(layer!.trouble).toMatch(/^a\/Dockerfile:1: /);
  expect(await readFile(file, 'utf8')).toContain('# Not understood: a/Dockerfile:1: ');
});

describe('init never overwrites', () => {
  test('a file that is there stays as it is, and is named', async () => {
    await tree({ Dockerfile: 'FROM debian\n', 'imgbuild.yaml': 'mine' });
    await expect(initialise(file)).rejects.toMatchObject({ because: `${file} exists`, kind: 'input', exitCode: 2 });
    expect(await readFile(file, 'utf8')).toBe('mine');
    expect((await readdir(root)).toSorted()).toEqual(['Dockerfile', 'imgbuild.yaml']);
  });

  test('without any Dockerfile nothing is written', async () => {
    await expect(initialise(file)).rejects.toMatchObject({ kind: 'input' });
    expect(await readdir(root)).toEqual([]);
  });
});

test('whatever the paths and images are, what is written is read back without an error', () => {
  const part = fc.string({ unit: fc.constantFrom(...'aZ09._-: #é"'), minLength: 1, maxLength: 6 });
  const folder = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
  const reference = fc.constantFrom('x:1', 'acme/a_b:2', 'A:b', 'ghcr.io/x/y', 'no@sha256:1', 'releases', 'debian');
  const dockerfile = fc.record({
    path: folder.map((path) => `d/${path}/Dockerfile`.replace(/\/\.+(?=\/)/g, '/x')),
    context: folder.map((path) => `d/${path}`.replace(/\/\.+(?=\/|$)/g, '/x').replace(/^~/, 'x')),
    images: fc.array(reference, { maxLength: 3 }),
  });
  fc.assert(
    fc.property(fc.uniqueArray(dockerfile, { selector: ({ path }) => path, minLength: 1, maxLength: 6 }), (found) => {
      const layers = inferLayers(found, 'project');
      const { failures, config } = checkConfig(writeConfig('project', layers), '/r/imgbuild.yaml');
      expect(failures.map((failure) => failure.message)).toEqual([]);
      expect(config!.layers.map((layer) => layer.name)).toEqual(layers.map((layer) => layer.name));
    }),
    { numRuns: 300 },
  );
});

test('in a folder that is not there is refused with what to do', async () => {
  await writeFile(join(root, 'afile'), '');
  for (const folder of ['sub', 'afile']) {
    await expect(initialise(join(root, folder, 'imgbuild.yaml'))).rejects.toMatchObject({
      because: `there is no folder ${join(root, folder)}`,
      fix: expect.stringContaining('-f'),
      kind: 'input',
    });
  }
});
