import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { Failure, Failures } from '../../src/failure.ts';
import { importTree } from '../../src/import/import-tree.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { openProject } from '../../src/project/open.ts';
import { openPaiProject } from '../../src/project/pai.ts';
import { describeReason } from '../../src/report/reason.ts';
import { git, newRepository, outcomes, plan, saveAll, writeTree } from '../plan/saved-project.ts';
import { imageYaml } from './pai.ts';

const locked = { manifest: digestOf('base'), env: [], onbuild: [] };
const lock = `${JSON.stringify({ base: 'debian:12', from: 'registry', index: null, platforms: { 'linux/amd64': locked, 'linux/arm64': locked } })}\n`;
const yaml = (include: string) => `version: 1\nname: pai\ninclude: { pai: ${include} }\n`;

/** The form of pai-management: one folder a component. */
const first = {
  'imgbuild.yaml': yaml('./pai-management'),
  'imgbuild.lock': lock,
  'webportal/package.json': '{}\n',
  'examples/job.json': '{}\n',
  'pai-management/src/base-image/dockerfile': 'FROM debian:12\nRUN true\n',
  'pai-management/src/base-image/image.yaml': '# nothing\n',
  'pai-management/src/webportal/dockerfile':
    'FROM base-image AS build\nRUN make\nFROM base-image\nCOPY --from=build /out /out\nCOPY copied_file/examples/ /usr/src/\nCOPY copied_file/webportal/ /usr/src/app/\n',
  'pai-management/src/webportal/image.yaml': imageYaml([
    { src: '../examples', dst: 'src/webportal/copied_file' },
    { src: '../webportal', dst: 'src/webportal/copied_file' },
  ]),
};

/** The form that followed: folders `build`. */
const second = {
  'imgbuild.yaml': yaml('.'),
  'imgbuild.lock': lock,
  'version/PAI.VERSION': '1.8\n',
  'src/base-image/build/base-image.common.dockerfile': 'FROM debian:12\nRUN true\n',
  'src/sdk/build/sdk.k8s.dockerfile': 'FROM debian:12\nCOPY lib /lib/sdk\n',
  'src/sdk/lib/sdk.py': 'x = 1\n',
  'src/rest-server/build/rest-server.common.dockerfile':
    'FROM base-image\nCOPY . /usr/src/app\nRUN cat version/PAI.VERSION\n',
  'src/rest-server/build/rest-server.yarn.dockerfile': 'FROM nowhere\n',
  'src/rest-server/build/component.dep': 'sdk\n',
  'src/rest-server/build/build-pre.sh':
    '#!/bin/bash\npushd $(dirname "$0") > /dev/null\n\ncp -arf "../../../version" "../version"\n\npopd > /dev/null\n',
  'src/rest-server/index.js': 'serve()\n',
};

const failuresOf = async (folder: string): Promise<string[]> => {
  const error = await openProject({ directory: folder }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(Failures);
  return (error as Failures).failures.map(({ because, at, kind }) => {
    expect(kind).toBe('input');
    return `${at!.file}:${at!.line}:${at!.column}: ${because}`;
  });
};

const contextFiles = async (folder: string, name: string): Promise<string[]> => {
  const { builds } = await plan(folder);
  const build = builds.find(({ planned }) => planned.name === name)!;
  return Array.from(await build.context.all(), ({ path: file }) => file);
};

describe('pai-management', () => {
  test('is used as it is: a layer a component, named like its folder, in the order of the FROMs', async () => {
    const folder = newRepository(first);
    const { plan: planned } = await plan(folder);
    expect(planned.layers.map(({ name, image, parents }) => [name, image, parents])).toEqual([
      ['base-image', 'base-image', []],
      ['webportal', 'webportal', ['base-image']],
    ]);
    expect(await contextFiles(folder, 'webportal')).toEqual([
      'copied_file/examples/job.json',
      'copied_file/webportal/package.json',
      'dockerfile',
      'image.yaml',
    ]);
    expect(git(folder, 'status', '--short')).toBe('');
  });

  test('has copies as the documented cp -r where no Dockerfile expects another', async () => {
    const dockerfile = 'FROM base-image\nCOPY copied_file/job.json copied_file/webportal /x/\n';
    const folder = newRepository({ ...first, 'pai-management/src/webportal/dockerfile': dockerfile });
    expect(await contextFiles(folder, 'webportal')).toContain('copied_file/job.json');
    writeTree(folder, { 'imgbuild.yaml': yaml('{ path: pai-management, copy: into }') });
    const { config } = await openProject({ directory: folder });
    expect(config.layers[1]!.copy[0]!.dst).toBe('copied_file/examples');
  });

  test('names what was copied where it comes from, and reuses the rest', async () => {
    const folder = newRepository(first);
    await saveAll(folder);
    writeTree(folder, { 'examples/job.json': '[]\n' });
    expect(await outcomes(folder)).toEqual(['base-image reuse', 'webportal build: file-changed examples/job.json']);
  });

  test.each<[what: string, files: Record<string, string>, failure: string]>([
    [
      'a copy into itself',
      { 'pai-management/src/webportal/image.yaml': imageYaml([{ src: 'src/webportal', dst: 'src/webportal/copied' }]) },
      'pai-management/src/webportal/image.yaml:2:10: src/webportal would be copied into itself, to pai-management/src/webportal/copied',
    ],
    [
      'a copy out of the tree',
      { 'pai-management/src/webportal/image.yaml': imageYaml([{ src: '../../secrets', dst: 'src/webportal/x' }]) },
      'pai-management/src/webportal/image.yaml:2:10: ../../secrets leaves the tree',
    ],
    [
      "a copy into another component's folder",
      { 'pai-management/src/webportal/image.yaml': imageYaml([{ src: '../examples', dst: 'src/base-image/x' }]) },
      'pai-management/src/webportal/image.yaml:3:10: src/base-image/x is not in the folder of the component, pai-management/src/webportal',
    ],
    [
      'a source that is not there',
      { 'pai-management/src/webportal/image.yaml': imageYaml([{ src: '../example', dst: 'src/webportal/x' }]) },
      'pai-management/src/webportal/image.yaml:2:10: there is no example',
    ],
    [
      'a template',
      { 'pai-management/src/webportal/image.yaml': 'template-list:\n  - start.sh\n' },
      'pai-management/src/webportal/image.yaml:2:5: pai-management/src/webportal/start.sh is made from start.sh.template, which imgbuild does not render',
    ],
    [
      'a prerequisite that is not there',
      { 'pai-management/src/webportal/image.yaml': 'prerequisite: hadoop-run\n' },
      'pai-management/src/webportal/image.yaml:1:15: there is no component hadoop-run',
    ],
    [
      'another key',
      { 'pai-management/src/webportal/image.yaml': 'copylist:\n  - src: a\n' },
      'pai-management/src/webportal/image.yaml:1:1: image.yaml has no key copylist',
    ],
    [
      'broken YAML',
      { 'pai-management/src/webportal/image.yaml': 'copy-list: [\n' },
      'pai-management/src/webportal/image.yaml:2:1: flow sequence in block collection must be sufficiently indented and end with a ]',
    ],
    [
      'no Dockerfile',
      { 'pai-management/src/empty/image.yaml': '' },
      'pai-management/src/empty/image.yaml:1:1: there is no Dockerfile in pai-management/src/empty',
    ],
    [
      'a name with capitals',
      { 'pai-management/src/ownImage/image.yaml': '', 'pai-management/src/ownImage/Dockerfile': 'FROM debian:12\n' },
      'pai-management/src/ownImage/image.yaml:1:1: "ownImage" is no name of an image: Docker takes small letters and digits, with one of - _ . between them',
    ],
  ])('with %s is refused at its line', async (_what, files, failure) => {
    const folder = newRepository({ ...first, ...files });
    expect(await failuresOf(folder)).toContain(failure);
    expect(git(folder, 'status', '--short')).toBe('');
  });

  test('refuses to overwrite what git tracks, at the line of the dst', async () => {
    const folder = newRepository({
      ...first,
      'webportal/dockerfile': 'FROM x\n',
      'pai-management/src/webportal/image.yaml': imageYaml([{ src: '../webportal/.', dst: 'src/webportal' }]),
    });
    const error = await plan(folder).catch((thrown: unknown) => thrown as Failure);
    expect(error).toMatchObject({
      because: 'webportal/dockerfile would overwrite pai-management/src/webportal/dockerfile, which git tracks',
      kind: 'input',
      at: { file: 'pai-management/src/webportal/image.yaml', line: 3 },
    });
  });

  test('a circle of prerequisites is shown at its line', async () => {
    const folder = newRepository({ ...first, 'pai-management/src/base-image/image.yaml': 'prerequisite: webportal\n' });
    const error = await plan(folder).catch((thrown: unknown) => thrown as Failure);
    expect(error).toMatchObject({ kind: 'input', at: { line: 1 } });
    expect((error as Failure).at!.file).toMatch(/^pai-management\/src\//);
  });

  test('a component is left out by skip:, and its name is free', async () => {
    const folder = newRepository({
      ...first,
      'pai-management/src/drivers/image.yaml': 'template-list:\n  - dockerfile\n',
      'drivers/Dockerfile': 'FROM base-image\n',
      'imgbuild.yaml':
        'version: 1\nname: pai\ninclude: { pai: { path: pai-management, skip: [drivers] } }\nlayers: { drivers: { context: drivers } }\n',
    });
    const { plan: planned } = await plan(folder);
    expect(planned.layers.map(({ name }) => name)).toEqual(['base-image', 'drivers', 'webportal']);
    writeTree(folder, {
      'imgbuild.yaml': `${yaml('pai-management')}layers: { webportal: { context: drivers } }\n`,
    });
    writeTree(folder, {
      'pai-management/src/drivers/image.yaml': '',
      'pai-management/src/drivers/dockerfile': 'FROM base-image\n',
    });
    expect(await failuresOf(folder)).toEqual([
      'imgbuild.yaml:4:11: layer webportal has the name or the image of webportal, which pai-management/src/webportal/image.yaml makes',
    ]);
  });

  test('has layers that others may need and packages run, by names that are there', async () => {
    const own = 'layers: { own: { context: own, needs: [webportal] } }\n';
    const folder = newRepository({
      ...first,
      'own/Dockerfile': 'FROM debian:12\n',
      'imgbuild.yaml': `${yaml('pai-management')}${own}debs: { host: { service: webportal, description: d, maintainer: "a <a@b.c>" } }\n`,
    });
    const { plan: planned } = await plan(folder);
    expect(planned.layers.find(({ name }) => name === 'own')!.parents).toEqual(['webportal']);
    writeTree(folder, { 'imgbuild.yaml': yaml('pai-management') + own.replace('webportal', 'webporta') });
    expect(await failuresOf(folder)).toEqual(['imgbuild.yaml:4:40: there is no layer "webporta"']);
  });

  test('is found without imgbuild.yaml, also from within', async () => {
    const { 'imgbuild.yaml': _, ...files } = first;
    const folder = newRepository(files);
    const inside = path.join(folder, 'pai-management');
    for (const directory of [folder, inside]) {
      const { images, project } = await openPaiProject({ directory }, []);
      expect(images).toEqual(['base-image', 'webportal']);
      expect(project.config.root).toBe(folder);
    }
    expect((await openPaiProject({ directory: inside }, ['webportal'])).images).toEqual(['webportal']);
    await expect(openPaiProject({ directory: inside }, ['web'])).rejects.toMatchObject({ kind: 'input' });
  });
});

describe('components with a folder build', () => {
  test('have their images, their components and what their hooks make', async () => {
    const folder = newRepository(second);
    const { plan: planned } = await plan(folder);
    expect(planned.layers.map(({ name, parents }) => [name, parents])).toEqual([
      ['base-image', []],
      ['sdk', []],
      ['rest-server', ['base-image', 'sdk']],
    ]);
    const { config } = await openProject({ directory: folder });
    expect(config.layers.at(-1)).toMatchObject({
      context: 'src/rest-server',
      dockerfile: 'src/rest-server/build/rest-server.common.dockerfile',
      copy: [
        { src: 'src/base-image', dst: 'dependency/base-image' },
        { src: 'src/sdk', dst: 'dependency/sdk' },
      ],
      prepare: { run: ['src/rest-server/build/build-pre.sh'], inputs: ['version'], outputs: ['version'], after: [] },
    });
    expect(git(folder, 'status', '--short')).toBe('');
  });

  test('count what their hooks read, and nothing else of it', async () => {
    const folder = newRepository(second);
    await saveAll(folder);
    const all = ['base-image reuse', 'sdk reuse', 'rest-server reuse'];
    expect(await outcomes(folder)).toEqual(all);
    writeTree(folder, { 'src/rest-server/version/PAI.VERSION': 'left by a run of before\n', 'docs.md': '' });
    expect(await outcomes(folder)).toEqual(all);
    writeTree(folder, { 'version/PAI.VERSION': '1.9\n' });
    const { plan: planned } = await plan(folder);
    expect(planned.layers.at(-1)!.reasons.map(describeReason)).toEqual(['version/PAI.VERSION changed']);
  });

  test('count the variables that their hooks declare, of the environment of the build', async () => {
    const hooks = '{ sdk: { inputs: [version], outputs: [made], env: [FLAVOUR] } }';
    const folder = newRepository({
      ...second,
      'imgbuild.yaml': yaml(`{ path: ., hooks: ${hooks} }`),
      'src/sdk/build/build-pre.sh': 'touch src/sdk/made\n',
    });
    const fingerprint = async (env: NodeJS.ProcessEnv) =>
      (await plan(folder, { env })).plan.layers.find(({ name }) => name === 'sdk')!.fingerprint;
    expect(await fingerprint({ FLAVOUR: 'a' })).toBe(await fingerprint({ FLAVOUR: 'a', OTHER: 'b' }));
    expect(await fingerprint({ FLAVOUR: 'a' })).not.toBe(await fingerprint({ FLAVOUR: 'b' }));
  });

  test.each<[what: string, files: Record<string, string>, failure: string]>([
    [
      'a hook that does more than copy',
      { 'src/sdk/build/build-pre.sh': '#!/bin/bash\ndocker build -t hadoop-build .\n' },
      'src/sdk/build/build-pre.sh:2:1: what this script reads and makes is not known',
    ],
    [
      'a component.dep of nothing',
      { 'src/sdk/build/component.dep': '\nhadoop-ai\n' },
      'src/sdk/build/component.dep:2:1: there is no component hadoop-ai that makes an image',
    ],
    [
      'one image twice',
      { 'src/other/build/sdk.common.dockerfile': 'FROM debian:12\n' },
      'src/sdk/build/sdk.k8s.dockerfile:1:1: sdk and other both make an image sdk',
    ],
  ])('with %s are refused at the line', async (_what, files, failure) => {
    expect(await failuresOf(newRepository({ ...second, ...files }))).toEqual([failure]);
  });

  test('refuse an output that git tracks, and a dependency in whose place something is', async () => {
    const folder = newRepository({ ...second, 'src/rest-server/version/PAI.VERSION': 'tracked\n' });
    await expect(plan(folder)).rejects.toMatchObject({
      because: 'src/rest-server/version would be made, and git tracks it',
      at: { file: 'src/rest-server/build/build-pre.sh' },
    });
    const other = newRepository({ ...second, 'src/rest-server/dependency/sdk/x': '' });
    await expect(plan(other)).rejects.toMatchObject({
      because: 'the destination is already there',
      at: { file: 'src/rest-server/build/component.dep', line: 1 },
    });
  });
});

describe('import', () => {
  const imported = (folder: string) => importTree(folder, undefined, { images: new Map(), order: 'written' });

  test('writes what includes the same', async () => {
    const folder = newRepository(first);
    const direct = (await plan(folder)).plan.layers.map(({ name, fingerprint }) => [name, fingerprint]);
    const { kind, config, advice } = await imported(folder);
    expect(kind).toBe('pai');
    expect(config).toContain(
      '  # pai-management/src/webportal/image.yaml:2 cp -r ../examples src/webportal/copied_file\n',
    );
    expect(config).toContain('#   include: { pai: ./pai-management }\n');
    expect(advice.map(({ text }) => text)).toEqual([
      'where dst is not there, it is made, and the copy goes into it: the Dockerfile of webportal takes it from there',
    ]);
    writeFileSync(path.join(folder, 'imgbuild.yaml'), config);
    expect((await plan(folder)).plan.layers.map(({ name, fingerprint }) => [name, fingerprint])).toEqual(direct);
  });

  test('writes hooks, and says what was left out', async () => {
    const folder = newRepository(second);
    const direct = (await plan(folder)).plan.layers.map(({ fingerprint }) => fingerprint);
    const { config, advice } = await imported(folder);
    expect(advice.map(({ at, text }) => `${at.file}:${at.line}: ${text}`)).toEqual([
      'src/rest-server/build/rest-server.yarn.dockerfile:1: left out: it is for yarn',
      'src/rest-server/build/build-pre.sh:2: it is taken to read version and to make version in src/rest-server',
    ]);
    writeFileSync(path.join(folder, 'imgbuild.yaml'), config);
    expect((await plan(folder)).plan.layers.map(({ fingerprint }) => fingerprint)).toEqual(direct);
  });

  test('takes the older keys too', async () => {
    const folder = newRepository({
      ...first,
      'pai-management/src/webportal/image.yaml':
        'copy:\n  - ../webportal\ntemplatelist:\n  - None\nprerequisite: None\n',
    });
    const { layers } = await imported(folder);
    expect(layers[1]!.others).toEqual({ copy: [{ src: 'webportal', dst: 'copied_file/webportal', merge: true }] });
  });

  test('a link that leaves the tree is refused', async () => {
    const folder = newRepository(first);
    mkdirSync(path.join(folder, 'links'));
    symlinkSync('/etc', path.join(folder, 'links/out'));
    const file = 'pai-management/src/webportal/image.yaml';
    writeTree(folder, { [file]: imageYaml([{ src: '../links/out/', dst: 'src/webportal/x' }]) });
    expect(readFileSync(path.join(folder, file), 'utf8')).toContain('links/out');
    expect(await failuresOf(folder)).toEqual([`${file}:2:10: ../links/out/ is a link that leaves the tree`]);
  });
});
