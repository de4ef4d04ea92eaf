import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import type { CommandContext } from '../../src/cli/command.ts';
import { addImport } from '../../src/cli/import.ts';
import { exitCodeOf, renderError, styleFor } from '../../src/report/failure.ts';
import { streamProgress } from '../../src/report/progress.ts';
import { writeTree } from '../plan/saved-project.ts';

const plain = styleFor({}, {});

/** The command as main runs it: its output, and what is shown of a failure. */
async function run(folder: string, ...args: string[]) {
  const out = new PassThrough();
  const err = new PassThrough();
  const context: CommandContext = {
    directory: folder,
    file: undefined,
    json: args.includes('--json'),
    stdout: out,
    stderr: err,
    progress: streamProgress(err, plain),
    signal: new AbortController().signal,
  };
  const program = new Command('imgbuild').exitOverride();
  addImport(program, () => context);
  const status = await program.parseAsync(['import', ...args], { from: 'user' }).then(
    () => 0,
    (error: unknown) => {
      err.write(renderError(error, plain));
      return exitCodeOf(error);
    },
  );
  return { status, stdout: String(out.read() ?? ''), stderr: String(err.read() ?? '') };
}

function treeWith(files: Record<string, string>): string {
  const folder = path.join(mkdtempSync(path.join(tmpdir(), 'imgbuild-import-')), 'yolo');
  writeTree(folder, files);
  return folder;
}

const good =
  'def build():\n    base(image="python:3.11-slim")\n    install.python_packages(["a"])\n    io.copy("app.py", "/")\n    config.gpu(count=1)\n';

test('prints the imgbuild.yaml that the tree amounts to, and writes nothing', async () => {
  const folder = treeWith({ 'build.envd': good, 'app.py': '' });
  const { status, stdout } = await run(folder);
  expect(status).toBe(0);
  expect(parse(stdout)).toEqual({
    version: 1,
    name: 'yolo',
    layers: {
      'yolo-python': { context: '.', dockerfile: 'docker/yolo-python.Dockerfile', image: 'yolo-python' },
      yolo: { context: '.', dockerfile: 'docker/yolo.Dockerfile', image: 'yolo' },
    },
  });
  expect(stdout).toContain('  # build.envd:3 install.python_packages\n  yolo-python:');
  expect(stdout).toContain('  # build.envd:5 config.gpu: run it with --gpus=1\n');
  expect(stdout).toContain('#   layers:\n#     yolo: { envd: build.envd }\n');
  expect(existsSync(path.join(folder, 'imgbuild.yaml'))).toBe(false);
  expect((await run(folder, '--show')).stdout).toContain(
    '# docker/yolo.Dockerfile\n# Made by imgbuild from build.envd.\n',
  );
});

test('writes with --write, and never over something', async () => {
  const folder = treeWith({ 'build.envd': good, 'app.py': '', 'docker/yolo.Dockerfile': 'FROM mine\n' });
  const refused = await run(folder, '--write');
  expect(refused.status).toBe(2);
  expect(refused.stderr).toContain('docker/yolo.Dockerfile exists');
  expect(existsSync(path.join(folder, 'imgbuild.yaml'))).toBe(false);
  expect(existsSync(path.join(folder, 'docker/yolo-python.Dockerfile'))).toBe(false);
  const fresh = treeWith({ 'build.envd': good, 'app.py': '' });
  expect((await run(fresh, '--write')).status).toBe(0);
  expect(readFileSync(path.join(fresh, 'docker/yolo.Dockerfile'), 'utf8')).toContain('COPY app.py /\n');
});

test('lists by line what it cannot translate, and translates the rest', async () => {
  const folder = treeWith({
    'detector/build.envd': good,
    'detector/app.py': '',
    'reader/build.envd': 'def build():\n    base(image="i")\n    install.go()\n',
  });
  const { status, stdout, stderr } = await run(folder);
  expect(status).toBe(0);
  expect(Object.keys(parse(stdout).layers)).toEqual(['detector-python', 'detector']);
  expect(stderr).toContain('reader/build.envd:3: not translated: install.go is not supported');
  const json = JSON.parse((await run(folder, '--json')).stdout);
  expect(json.untranslated).toMatchObject([{ file: 'reader/build.envd', line: 3 }]);
  const none = treeWith({ 'build.envd': 'def build():\n    install.go()\n' });
  const failed = await run(none);
  expect(failed.status).toBe(2);
  expect(failed.stderr).toMatch(/^build\.envd:2:13: error: reading build\.envd: install\.go is not supported/);
});

test.each<[args: string[], message: string]>([
  [['--kind', 'make'], 'there is no kind make'],
  [['--image', 'aiges_cpu'], '"aiges_cpu" names no image'],
  [['--order', 'backwards'], 'there is no order "backwards"'],
  [['nowhere'], 'there is no such folder'],
])('import %j is a call that is wrong', async (args, message) => {
  const { status, stderr } = await run(treeWith({ 'build.envd': good, 'app.py': '' }), ...args);
  expect(status).toBe(2);
  expect(stderr).toContain(message);
});

test('a folder without such a tree is told', async () => {
  const { status, stderr } = await run(treeWith({ 'app.py': '' }));
  expect(status).toBe(2);
  expect(stderr).toContain('there is nothing that another system builds images by');
});

test('names of images are given on the command line', async () => {
  const folder = treeWith({
    'build.envd': 'def build():\n    base(os="aiges_cpu", language="python3")\n    run(["x"])\n',
  });
  expect((await run(folder)).status).toBe(2);
  const { stdout } = await run(folder, '--image', 'aiges_cpu=acme/aiges:3', '--show');
  expect(stdout).toContain('FROM acme/aiges:3\n');
  expect(stdout).toContain('#   envd: { images: { "aiges_cpu": "acme/aiges:3" } }\n');
});
