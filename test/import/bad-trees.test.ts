import { PassThrough } from 'node:stream';
import { Command } from 'commander';
import { expect, test } from 'vitest';
import type { CommandContext } from '../../src/cli/command.ts';
import { addPlan } from '../../src/cli/plan.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { exitCodeOf, renderError, styleFor } from '../../src/report/failure.ts';
import { streamProgress } from '../../src/report/progress.ts';
import { git, newRepository } from '../plan/saved-project.ts';
import { imageYaml } from './pai.ts';

const plain = styleFor({}, {});
const locked = { manifest: digestOf('base'), env: [], onbuild: [] };
const lock = `${JSON.stringify({ base: 'debian:12', from: 'registry', index: null, platforms: { 'linux/amd64': locked, 'linux/arm64': locked } })}\n`;

/** `imgbuild plan` as main runs it. */
async function plan(folder: string) {
  const err = new PassThrough();
  const context: CommandContext = {
    directory: folder,
    file: undefined,
    json: false,
    stdout: new PassThrough(),
    stderr: err,
    progress: streamProgress(err, plain),
    signal: new AbortController().signal,
  };
  const program = new Command('imgbuild').exitOverride();
  addPlan(program, () => context);
  const status = await program.parseAsync(['plan'], { from: 'user' }).then(
    () => 0,
    (error: unknown) => {
      err.write(renderError(error, plain));
      return exitCodeOf(error);
    },
  );
  return { status, stderr: String(err.read() ?? '') };
}

const pai = (imageYamlText: string, more: Record<string, string> = {}) => ({
  'imgbuild.yaml': 'version: 1\nname: bad\ninclude: { pai: ./pai }\n',
  'pai/src/web/image.yaml': imageYamlText,
  'pai/src/web/dockerfile': 'FROM debian:12\nCOPY . /\n',
  'tools/dockerfile': 'FROM x\n',
  ...more,
});
const envd = (buildFile: string) => ({
  'imgbuild.yaml': 'version: 1\nname: bad\nlayers: { web: { envd: build.envd } }\n',
  'build.envd': buildFile,
});

test.each<[what: string, files: Record<string, string>, place: string]>([
  ['a cyclic copy-list', pai(imageYaml([{ src: 'src', dst: 'src/web/copied_file' }])), 'pai/src/web/image.yaml:2:10'],
  [
    'a copy out of the tree',
    pai(imageYaml([{ src: '../../elsewhere', dst: 'src/web/copied_file' }])),
    'pai/src/web/image.yaml:2:10',
  ],
  [
    'a dst that overwrites a tracked file',
    pai(imageYaml([{ src: '../tools/.', dst: 'src/web' }])),
    'pai/src/web/image.yaml:3:10',
  ],
  [
    'an unknown function',
    envd('def build():\n    base(image="debian:12")\n    install.everything()\n'),
    'build.envd:3:13',
  ],
  ['a recursive def', envd('def again():\n    again()\ndef build():\n    again()\n'), 'build.envd:2:5'],
  [
    'giant loops',
    envd('def build():\n    for i in range(100000):\n        for j in range(100000):\n            len("x")\n'),
    'build.envd:3:9',
  ],
  [
    'a giant list',
    envd('names = ["x"]\nfor i in range(64):\n    names = names + names\ndef build():\n    pass\n'),
    'build.envd:3:',
  ],
  [
    'a Kconfig that sources itself',
    {
      'imgbuild.yaml': 'version: 1\nname: bad\noptions: { kconfig: Kconfig }\nlayers: { web: { context: web } }\n',
      'web/Dockerfile': 'FROM debian:12\n',
      Kconfig: 'source "Kconfig"\n',
    },
    'Kconfig:1:',
  ],
  [
    'a release_build.sh whose Dockerfile is not there',
    {
      'imgbuild.yaml': 'version: 1\nname: bad\ninclude: { ccai: . }\n',
      'release_build.sh': './docker_build.sh .config docker/ docker/Dockerfile.image service_runtime\n',
    },
    'release_build.sh:1:1',
  ],
  [
    'a dockerbuild.sh outside of the tree',
    {
      'imgbuild.yaml': 'version: 1\nname: bad\ninclude: { ascend: . }\n',
      'dockerbuild.sh': 'docker build -t web ../elsewhere\n',
    },
    'dockerbuild.sh:1:1',
  ],
])('%s ends with exit 2 at its place, and the tree is as it was', async (_what, files, place) => {
  const folder = newRepository({ 'imgbuild.lock': lock, ...files });
  const { status, stderr } = await plan(folder);
  expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringContaining(place) });
  expect(stderr).toMatch(/^\S+:\d+:\d+: error: /);
  expect(git(folder, 'status', '--short')).toBe('');
});
