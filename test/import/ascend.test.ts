import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { importTree } from '../../src/import/import-tree.ts';
import { dockerBuilds } from '../../src/import/ascend/docker-build.ts';
import { openProject } from '../../src/project/open.ts';
import { Failures } from '../../src/failure.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { describeReason } from '../../src/report/reason.ts';
import { newRepository, plan, saveAll, writeTree } from '../plan/saved-project.ts';

const imported = (folder: string) => importTree(folder, 'ascend', { images: new Map(), order: 'written' });
const newFolder = () => mkdtempSync(path.join(tmpdir(), 'imgbuild-ascend-'));

const script = `#!/bin/bash
CANN=8.1.RC1
docker build \\
--build-arg no_proxy=127.0.0.1,localhost,172.17.0.1 \\
--build-arg DEVICE=910b \\
--build-arg ARCH=aarch64 \\
--build-arg CANN_VERSION=\${CANN} \\
-t detr:1 \\
--target detr . || exit 1
`;

test('dockerbuild.sh of the example amounts to its imgbuild.yaml', async () => {
  const root = newFolder();
  cpSync(path.resolve(import.meta.dirname, '../../examples/ascend'), root, { recursive: true });
  const own = parse(readFileSync(path.join(root, 'imgbuild.yaml'), 'utf8'));
  writeTree(root, {
    'dockerbuild.sh':
      'docker build --build-arg ARCH=$(uname -m) --build-arg DEVICE=910b --build-arg CANN_VERSION=8.0.0 -t ascend-app --target app .\n',
  });
  const { kind, config, advice, failures } = await imported(root);
  expect(kind).toBe('ascend');
  expect(failures).toEqual([]);
  expect(parse(config).layers.app).toEqual({
    ...own.layers['ascend-app'],
    image: 'ascend-app',
    args: own.args,
    packages: '.',
  });
  expect(advice.map(({ at, text }) => `${at.file}:${at.line} ${text.slice(0, 30)}`)).toEqual([
    'dockerbuild.sh:1 ARCH is what `uname -m` says o',
    'dockerbuild.sh:1 what it fetches is in .: a fol',
  ]);
  writeFileSync(path.join(root, 'imgbuild.yaml'), config);
  expect((await openProject({ directory: root })).config.layers[0]).toMatchObject({ name: 'app', packages: '.' });
});

test('calls are read as the shell has them', () => {
  const [call] = dockerBuilds(script);
  expect(call).toMatchObject({ context: '.', image: 'detr:1', target: 'detr', line: 3, others: [] });
  expect(Object.fromEntries(call!.args)).toMatchObject({ DEVICE: '910b', CANN_VERSION: '8.1.RC1' });
  const [other] = dockerBuilds('DOCKER_BUILDKIT=0 docker build . -f Dockerfile_aarch64 -t a:b --network=host;\n');
  expect(other).toMatchObject({ dockerfile: 'Dockerfile_aarch64', image: 'a:b', others: ['--network host'] });
  const branches =
    'if a; then\n  cd x64\n  docker build -t a:1 .|| exit 1\nelse\n  cd arm64\n  docker build -t a:2 . -f D|| exit 1\nfi\n';
  expect(dockerBuilds(branches)).toMatchObject([
    { folder: 'x64', context: '.' },
    { folder: 'arm64', context: '.', dockerfile: 'D' },
  ]);
});

test('folders beside one another are one chain; what is known only at run time is told by its line', async () => {
  const root = newFolder();
  writeTree(root, {
    'ascend-toolkit/build.sh': 'docker build -t ascend-toolkit:u18 --build-arg BASE=u18 . || exit 1\n',
    'ascend-toolkit/Dockerfile': 'FROM ubuntu:18.04\nARG BASE\n',
    'ascend-pytorch/build.sh':
      '# Ascend\ndocker build -t hub.example.com/ascend-pytorch:$VERSION .\ndocker build -t hub.example.com/ai/ascend-pytorch:1 --build-arg A=$(date) .\n',
    'ascend-pytorch/Dockerfile': 'FROM ascend-toolkit:u18\nARG A\n',
    'detr/dockerbuild.sh': script,
    'infer/build.sh': '# Ascend\ncd u18\ndocker build -t infer:u18 .\n',
    'infer/u18/Dockerfile': 'FROM ubuntu:18.04\n',
    'other/build.sh': 'make\n',
  });
  const { layers, failures, advice } = await imported(root);
  expect(layers.map(({ name, image, context }) => [name, image, context])).toEqual([
    ['ascend-pytorch', 'ai/ascend-pytorch:1', 'ascend-pytorch'],
    ['ascend-toolkit', 'ascend-toolkit:u18', 'ascend-toolkit'],
    ['infer', 'infer:u18', 'infer/u18'],
  ]);
  expect(failures.map(({ at, because }) => `${at!.file}:${at!.line} ${because}`)).toEqual([
    "ascend-pytorch/build.sh:2 the image's name hub.example.com/ascend-pytorch:$VERSION is known only when the script runs",
    'ascend-pytorch/build.sh:3 the value of A is known only when the script runs',
    'detr/dockerbuild.sh:3 there is no detr/Dockerfile',
  ]);
  expect(advice.map(({ text }) => text)).toEqual(['hub.example.com is where it is saved: store: hub.example.com/…']);
});

test('an image that two calls make is told at the second', async () => {
  const root = newFolder();
  writeTree(root, {
    'dockerbuild.sh': 'docker build -t a .\ndocker build -t a:latest .\n',
    Dockerfile: 'FROM scratch\n',
  });
  const { layers, failures } = await imported(root);
  expect(layers).toHaveLength(1);
  expect(failures.map(({ at, because }) => `${at!.line} ${because}`)).toEqual([
    '2 a is made in line 1 of dockerbuild.sh already',
  ]);
});

test('a Dockerfile that fetches from a private address is enough', async () => {
  const root = newFolder();
  writeTree(root, { dockerfile: 'FROM debian:12\nRUN wget http://172.17.0.1:3000/x.run\n' });
  const { layers } = await imported(root);
  expect(layers[0]).toMatchObject({ name: 'image', dockerfile: 'dockerfile', others: { packages: '.' } });
});

describe('a tree that is used as it is', () => {
  const locked = { manifest: digestOf('base'), env: [], onbuild: [] };
  const yaml = (include: string) => `version: 1\nname: ascend\ninclude: { ascend: ${include} }\n`;
  /** With the line of packages.lock for each. */
  const installers = (texts: Record<string, string>): Record<string, string> => {
    const files = Object.entries(texts).map(([version, text]) => [`packages/toolkit_${version}.run`, text] as const);
    const sums = files.map(([name, text]) => `${digestOf(text).slice('sha256:'.length)}  ${name}\n`);
    return { ...Object.fromEntries(files), 'packages.lock': sums.join('') };
  };
  const tree = {
    'imgbuild.yaml': yaml('{ path: detr, packages: packages }'),
    'imgbuild.lock': `${JSON.stringify({ base: 'debian:12', from: 'registry', index: null, platforms: { 'linux/amd64': locked, 'linux/arm64': locked } })}\n`,
    'detr/dockerbuild.sh': script,
    'detr/dockerfile': `FROM debian:12 AS base
FROM base AS miniconda
RUN true
FROM miniconda AS detr
ARG DEVICE
ARG CANN_VERSION
RUN wget http://172.17.0.1:3000/toolkit_\${CANN_VERSION}.run
COPY app.sh /
FROM base AS other
`,
    'detr/app.sh': 'true\n',
    ...installers({ '8.1.RC1': 'toolkit\n', '8.2': 'newer\n' }),
  };
  const reasons = async (folder: string) =>
    (await plan(folder)).plan.layers.map(({ name, reasons: own }) => [name, ...own.map(describeReason)]);

  test('is planned, and its script stays the source', async () => {
    const folder = newRepository(tree);
    await saveAll(folder);
    expect(await reasons(folder)).toEqual([['detr']]);
    writeTree(folder, { 'detr/dockerbuild.sh': script.replace('910b', '310p').replace('RC1', 'RC1 # the same') });
    expect(await reasons(folder)).toEqual([['detr', 'detr/dockerbuild.sh:5 DEVICE: 910b → 310p']]);
    writeTree(folder, { 'detr/dockerbuild.sh': script.replace('8.1.RC1', '8.2') });
    expect(await reasons(folder)).toEqual([
      [
        'detr',
        'packages/toolkit_8.2.run added',
        'packages/toolkit_8.1.RC1.run removed',
        'detr/dockerbuild.sh:7 CANN_VERSION: 8.1.RC1 → 8.2',
      ],
    ]);
    writeTree(folder, { 'detr/dockerbuild.sh': script, ...installers({ '8.1.RC1': 'altered\n', '8.2': 'newer\n' }) });
    expect(await reasons(folder)).toEqual([['detr', 'packages/toolkit_8.1.RC1.run changed']]);
  });

  test('without a stage, as skip: of the layer', async () => {
    const folder = newRepository(tree);
    await saveAll(folder);
    writeTree(folder, { 'imgbuild.yaml': yaml('{ path: ., packages: packages, skip: [miniconda] }') });
    expect((await reasons(folder))[0]).toEqual([
      'detr',
      'skip: FROM base AS miniconda removed',
      'FROM miniconda AS detr → FROM base AS detr',
    ]);
    writeTree(folder, { 'imgbuild.yaml': yaml('{ path: ., packages: packages, skip: [minicond] }') });
    await expect(openProject({ directory: folder })).rejects.toThrow(
      'no Dockerfile of the tree has a stage "minicond"',
    );
  });

  test('what its script finds out when it runs is given, or told at its line', async () => {
    const open = '-t detr:$VERSION --build-arg BUILT=$(date)';
    const folder = newRepository({
      ...tree,
      'detr/dockerbuild.sh': script.replace('-t detr:1', open),
    });
    const error = (await openProject({ directory: folder }).catch((thrown: unknown) => thrown)) as Failures;
    expect(error.failures.map(({ at, because }) => `${at!.file}:${at!.line} ${because}`)).toEqual([
      'detr/dockerbuild.sh:3 the value of BUILT is known only when the script runs',
      "detr/dockerbuild.sh:3 the image's name detr:$VERSION is known only when the script runs",
    ]);
    const given = 'args: { BUILT: today }\n';
    writeTree(folder, {
      'imgbuild.yaml': yaml('{ path: detr, packages: packages, variables: { VERSION: "1" } }') + given,
    });
    const { config } = await openProject({ directory: folder });
    expect(config.layers[0]!.image.text).toBe('detr:1');
  });

  test('a folder without such a tree is told at its place', async () => {
    const error = await openProject({ directory: newRepository({ 'imgbuild.yaml': yaml('.') }) }).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(Failures);
    expect((error as Failures).failures[0]!.at).toMatchObject({ file: 'imgbuild.yaml', line: 3 });
  });
});
