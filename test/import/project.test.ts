import { cpSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { Failures } from '../../src/failure.ts';
import { importTree, writeImported } from '../../src/import/import-tree.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { openProject } from '../../src/project/open.ts';
import { describeReason } from '../../src/report/reason.ts';
import { git, newRepository, outcomes, plan, saveAll, writeTree } from '../plan/saved-project.ts';

const locked = { manifest: digestOf('base'), env: [], onbuild: [] };
const lock = (reference: string) =>
  `${JSON.stringify({ base: reference, from: 'registry', index: null, platforms: { 'linux/amd64': locked, 'linux/arm64': locked } })}\n`;

const tree = {
  'imgbuild.yaml': 'version: 1\nname: wrapper\nlayers:\n  yolo: { envd: build.envd, image: "yolo:v1" }\n',
  'imgbuild.lock': lock('debian:12'),
  'build.envd': `def build():
    base(os="debian12", language="python3")
    install.system_packages(name=["libmagic1"])
    install.python_packages(
        name=["tabulate==0.9"],
        requirements="requirements.txt",
    )
    io.copy(src="wrapper", dest="/home/aiges")
    runtime.expose(envd_port=5000)
`,
  'requirements.txt': 'python-magic==0.4.27\n-r requirements/more.txt\n',
  'requirements/more.txt': 'idna\n',
  'wrapper/wrapper.py': 'print(1)\n',
  'docs/notes.md': 'in no image\n',
};

let folder: string;
beforeEach(async () => {
  folder = newRepository(tree);
});

const edit = (file: string, from: string, to: string) => {
  const full = path.join(folder, file);
  const text = readFileSync(full, 'utf8');
  expect(text).toContain(from);
  writeFileSync(full, text.replace(from, to));
};

const reasonsOf = async () => {
  const planned = await plan(folder);
  return planned.plan.layers.flatMap(({ name, reasons }) =>
    reasons.map((reason) => `${name}: ${describeReason(reason)}`),
  );
};

describe('a layer that is made from build.envd', () => {
  test('is a chain, whose images are named after its own', async () => {
    const { config } = await openProject({ directory: folder });
    expect(config.layers.map(({ name, image, context }) => [name, image.text, context])).toEqual([
      ['yolo-system', 'yolo-system:v1', '.'],
      ['yolo-python', 'yolo-python:v1', '.'],
      ['yolo', 'yolo:v1', '.'],
    ]);
    expect(config.locate(['layers', 'yolo-system', 'image']).text).toContain('yolo: {');
  });

  test('reuses its environment when code changes', async () => {
    await saveAll(folder);
    expect(await outcomes(folder)).toEqual(['yolo-system reuse', 'yolo-python reuse', 'yolo reuse']);
    edit('wrapper/wrapper.py', '1', '2');
    expect(await outcomes(folder)).toEqual([
      'yolo-system reuse',
      'yolo-python reuse',
      'yolo build: file-changed wrapper/wrapper.py',
    ]);
  });

  test('is built anew from the packages whose requirements changed, also those of an included file', async () => {
    await saveAll(folder);
    edit('requirements/more.txt', 'idna', 'idna==3.7');
    expect(await reasonsOf()).toEqual([
      'yolo-python: requirements/more.txt changed',
      'yolo: parent yolo-python changed',
    ]);
  });

  test('names the call of build.envd that changed', async () => {
    await saveAll(folder);
    edit('build.envd', 'def build():\n', '# one line more\ndef build():\n');
    expect(await outcomes(folder)).toEqual(['yolo-system reuse', 'yolo-python reuse', 'yolo reuse']);
    edit('build.envd', 'tabulate==0.9', 'tabulate==0.8');
    expect(await reasonsOf()).toEqual([
      'yolo-python: build.envd:5 install.python_packages changed',
      'yolo: parent yolo-python changed',
    ]);
    edit('build.envd', '5000)', '5001)');
    expect(await reasonsOf()).toContain('yolo: build.envd:10 runtime.expose changed');
  });

  test('is the same as what import writes from it', async () => {
    const direct = (await plan(folder)).plan.layers.map(({ name, fingerprint }) => [name, fingerprint]);
    rmSync(path.join(folder, 'imgbuild.yaml'));
    const imported = await importTree(folder, undefined, { images: new Map(), order: 'written' });
    await writeImported(folder, imported);
    const written = readFileSync(path.join(folder, 'imgbuild.yaml'), 'utf8');
    const name = /^ {2}(\S+)-system:$/m.exec(written)![1]!;
    writeFileSync(path.join(folder, 'imgbuild.yaml'), written.replaceAll(name, 'yolo'));
    for (const file of readdirSync(path.join(folder, 'docker'))) {
      const full = path.join(folder, 'docker', file);
      writeFileSync(full, readFileSync(full, 'utf8').replaceAll(name, 'yolo'));
      cpSync(full, full.replace(name, 'yolo'));
    }
    const converted = (await plan(folder)).plan.layers;
    // A layer's image is what its child's FROM names: without the tag here.
    expect(converted.map((layer) => layer.name)).toEqual(direct.map(([each]) => each));
    expect(converted[0]!.fingerprint).toBe(direct[0]![1]);
  });

  test('has its place in a chain of others', async () => {
    writeTree(folder, {
      'imgbuild.yaml': `version: 1
name: wrapper
envd: { images: { own: "base:1" } }
layers:
  base: { context: base, image: "base:1" }
  yolo: { envd: "build.envd:serve", refresh: monthly, labels: { a: b } }
  above: { context: above }
  beside: { context: base, image: beside, needs: [yolo-system] }
`,
      'build.envd':
        'def serve():\n  base(os="own", language="python3.11")\n  install.system_packages(["curl"])\n  io.copy("wrapper", "/")\n',
      'imgbuild.lock': `${lock('debian:12')}${lock('mambaorg/micromamba:1.5.8')}{"epoch":"yolo-system","value":"2026-11"}\n`,
      'base/Dockerfile': 'FROM debian:12\n',
      'above/Dockerfile': 'FROM yolo\n',
    });
    const { plan: made } = await plan(folder);
    expect(made.layers.map(({ name, parents }) => [name, parents])).toEqual([
      ['base', []],
      ['yolo-system', ['base']],
      ['yolo-python', ['yolo-system']],
      ['yolo', ['yolo-python']],
      ['above', ['yolo']],
      ['beside', ['yolo-system']],
    ]);
    const { config } = await openProject({ directory: folder });
    expect(config.layers.map(({ refresh, labels }) => [refresh, labels])).toEqual([
      [undefined, {}],
      ['monthly', {}],
      [undefined, {}],
      [undefined, { a: 'b' }],
      [undefined, {}],
      [undefined, {}],
    ]);
  });
});

describe('imgbuild.yaml', () => {
  const failuresOf = async (yaml: string, more: Record<string, string> = {}): Promise<string[]> => {
    writeTree(folder, { 'imgbuild.yaml': `version: 1\nname: wrapper\n${yaml}`, ...more });
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

  test.each<[what: string, yaml: string, failures: string[]]>([
    [
      'a file that is not there',
      'layers:\n  yolo: { envd: buld.envd }\n',
      ['imgbuild.yaml:4:17: there is no file buld.envd'],
    ],
    [
      'neither',
      'layers:\n  yolo: { image: yolo }\n',
      ['imgbuild.yaml:4:3: the key "context" is missing in layers.yolo'],
    ],
    [
      'a Dockerfile besides',
      'layers:\n  yolo: { envd: build.envd, dockerfile: a }\n',
      ['imgbuild.yaml:4:29: a layer that is made from a build file has no dockerfile'],
    ],
    [
      'an order of nothing',
      'layers:\n  base: { context: ., dockerfile: build.envd, order: envd-v1 }\n',
      ['imgbuild.yaml:4:47: order is for layers with envd'],
    ],
    [
      'a name that is taken',
      'layers:\n  yolo: { envd: build.envd }\n  yolo-system: { context: base }\n',
      ['imgbuild.yaml:4:11: build.envd makes a layer yolo-system, and yolo-system has that name or its image'],
    ],
    [
      'a need of what its build file does not make',
      'layers:\n  yolo: { envd: build.envd }\n  own: { context: base, needs: [yolo-sytem] }\n',
      ['imgbuild.yaml:5:33: there is no layer "yolo-sytem"'],
    ],
    [
      'no function',
      'layers:\n  yolo: { envd: "build.envd:1x" }\n',
      ['imgbuild.yaml:4:17: what follows the colon is not the name of a function'],
    ],
  ])('with %s', async (_what, yaml, failures) => {
    expect(await failuresOf(yaml, { 'base/Dockerfile': 'FROM debian:12\n' })).toEqual(failures);
  });

  test('shows what is wrong in a build file at its place there, and leaves the tree as it is', async () => {
    const bad = { 'build.envd': 'def build():\n  base(os="debian12")\n  install.jupyter()\n' };
    const yaml = 'layers:\n  yolo: { envd: build.envd }\n';
    expect(await failuresOf(yaml, bad)).toEqual(['build.envd:3:11: envd has no install.jupyter']);
    expect(
      git(folder, 'status', '--short')
        .trim()
        .split('\n')
        .map((line) => line.trim()),
    ).toEqual(['M build.envd', 'M imgbuild.yaml']);
  });
});
