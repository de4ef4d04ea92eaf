import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { releaseModels } from '../../src/project/models.ts';
import { openProject } from '../../src/project/open.ts';
import { silent } from '../../src/progress.ts';
import { startFaultyServer, type FaultyServer } from '../fetch/support/faulty-server.ts';
import { parseProject } from '../deb/support/project.ts';
import { leftFolder } from '../support/left-folder.ts';
import { temporary, withModels } from './support.ts';

// Each starts the program several times.
vi.setConfig({ testTimeout: 180_000 });

const main = resolve(import.meta.dirname, '../../src/cli/main.ts');
const sum = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex');
const weights = randomBytes(200_000);
let config: Config;
let env: NodeJS.ProcessEnv;
const models = { ocr: { files: ['models/ocr'], license: 'MIT', format: 'onnx' }, asr: { files: ['models/asr.bin'] } };

beforeEach(() => {
  config = withModels(models, {
    'docker/service/Dockerfile': 'FROM scratch\n',
    'models/ocr/net.onnx': weights,
    'models/ocr/labels.txt': 'a\n',
    'models/asr.bin': 'asr',
  });
  env = { ...process.env, XDG_CACHE_HOME: temporary('xdg'), NO_COLOR: '1' };
});
const declare = (more: object) => {
  config = parseProject(config.root, {}, { models: more });
};
const imgbuild = (...args: string[]) =>
  spawnSync(process.execPath, [main, '-C', config.root, ...args], { encoding: 'utf8', env });
const done = (...args: string[]) => {
  const { status, stdout, stderr } = imgbuild(...args);
  expect(status, stderr).toBe(0);
  return stdout;
};
const json = (...args: string[]) => JSON.parse(done(...args, '--json')) as { models: Record<string, unknown>[] };

describe('imgbuild models', () => {
  test('says what each model consists of', () => {
    expect(done('models')).toBe(
      [
        'ocr: 200 kB in 2 files',
        `  sha256:${sum('a\n')}  2 B  labels.txt`,
        `  sha256:${sum(weights)}  200 kB  net.onnx`,
        'asr: 3 B in 1 file',
        `  sha256:${sum('asr')}  3 B  asr.bin`,
        '',
      ].join('\n'),
    );
    expect(json('models', 'asr')).toEqual({
      schema: 1,
      models: [
        { name: 'asr', targets: ['modelpack'], size: 3, files: [{ path: 'asr.bin', size: 3, sha256: sum('asr') }] },
      ],
    });
  });

  test('--clean lists what nobody used for long in the cache, and removes it with --yes', () => {
    const blobs = join(env['XDG_CACHE_HOME']!, 'imgbuild/blobs/sha256');
    mkdirSync(blobs, { recursive: true });
    for (const [name, days] of [
      ['a'.repeat(64), 40],
      ['b'.repeat(64), 2],
    ] as const) {
      const used = new Date(Date.now() - days * 86_400_000);
      writeFileSync(join(blobs, name), 'some');
      utimesSync(join(blobs, name), used, used);
    }
    expect(done('models', '--clean')).toBe(
      [
        `40 days  4 B  sha256:${'a'.repeat(64)}`,
        'to remove: 1 file, 4 B; nothing is deleted yet: say it with --yes',
        `in ${join(env['XDG_CACHE_HOME']!, 'imgbuild')} for less than 30 days without use: 1 file, 4 B`,
        '',
      ].join('\n'),
    );
    expect(readdirSync(blobs)).toHaveLength(2);
    expect(JSON.parse(done('models', '--clean', '--yes', '--json'))).toMatchObject({
      removed: [{ kind: 'file', size: 4 }],
    });
    expect(readdirSync(blobs)).toEqual(['b'.repeat(64)]);
    expect(imgbuild('models', 'ocr', '--clean')).toMatchObject({ status: 2 });
    expect(imgbuild('models', '--yes').stderr).toContain('--yes is for --clean');
  });

  test('-o puts the files into a folder for each model, and replaces it whole', () => {
    done('models', '-o', 'out');
    expect(readFileSync(join(config.root, 'out/ocr/net.onnx')).equals(weights)).toBe(true);
    writeFileSync(join(config.root, 'out/ocr/labels.txt'), 'of another time');
    done('models', 'ocr', '-o', 'out');
    expect(readFileSync(join(config.root, 'out/ocr/labels.txt'), 'utf8')).toBe('a\n');
    expect(readdirSync(join(config.root, 'out')).toSorted()).toEqual(['asr', 'ocr']);
  });

  test('-o removes what a killed run left beside the models', () => {
    const out = join(config.root, 'out');
    const left = leftFolder(out, '.making-');
    mkdirSync(join(out, left, 'new'));
    done('models', 'ocr', '-o', 'out');
    expect(readdirSync(out)).toEqual(['ocr']);
  });

  test('-o takes no file away that somebody else put there', () => {
    declare({ ocr: { files: ['models/ocr/*.onnx'] } });
    const { status, stderr } = imgbuild('models', '-o', 'models');
    expect(status).toBe(2);
    expect(stderr).toContain('labels.txt lies there, and is no part of the model');
    expect(readdirSync(join(config.root, 'models')).toSorted()).toEqual(['asr.bin', 'ocr']);
    expect(readFileSync(join(config.root, 'models/ocr/labels.txt'), 'utf8')).toBe('a\n');
  });

  test('--list says what a push would do and why, --push does it, and again moves nothing', () => {
    expect(done('models', '--list')).toBe('ocr  publish  never built\nasr  publish  never built\n');
    expect(done('models', '--push', '--version', 'v1.0.0')).toMatch(
      /^oci:\.imgbuild\/store\/models\/ocr@sha256:[0-9a-f]{64} {2}1\.0\.0 {2}200 kB sent\noci:.*asr.* 3 B sent\n$/,
    );
    expect(done('models', '--list')).toMatch(/^ocr {2}reuse {4}[0-9a-f]{12} {2}1\.0\.0\nasr {2}reuse /);
    writeFileSync(join(config.root, 'models/ocr/labels.txt'), 'b\n');
    expect(done('models', '--list', 'ocr')).toBe('ocr  publish  models/ocr/labels.txt changed\n');
    expect(json('models', '--list', 'ocr').models[0]).toMatchObject({
      action: 'publish',
      reasons: [{ kind: 'file-changed', path: 'models/ocr/labels.txt' }],
      reasonCount: 1,
      comparedWith: expect.stringMatching(/^sha256:/),
    });
    expect(json('models', '--push', '--version', '1.1.0').models).toMatchObject([
      { name: 'ocr', version: '1.1.0', outcome: 'published', moved: { uploaded: 2, present: 200_000 } },
      { name: 'asr', version: '1.0.0', outcome: 'reused', moved: { uploaded: 0 } },
    ]);
  });

  test('store ls, verify and gc know them', () => {
    done('models', '--push', '--version', '1.0.0');
    expect(done('store', 'ls')).toMatch(/ocr +any +[0-9a-f]{12} +201 kB/);
    expect(done('store', 'verify')).toContain('are as they were saved');
    expect(done('store', 'gc')).toContain('nothing');
  });

  test('--check looks at everything that is here, and says what is wrong at its place', () => {
    expect(done('models', '--check')).toContain('2 models: every pattern matches');
    declare({ ocr: { files: ['models/orc'] } });
    const { status, stderr } = imgbuild('models', '--check');
    expect(status).toBe(2);
    expect(stderr).toContain('model ocr: there is no file models/orc');
    expect(stderr).toMatch(/imgbuild\.yaml:\d+:\d+/);
  });

  test.each([
    [['--push', '--list'], 'are two commands'],
    [['--version', '1.0.0'], '--version is of what is published'],
    [['--force'], '--force is for --push and --list'],
    [['--push', '--version', 'newest'], 'newest'],
    [['orc'], 'did you mean ocr?'],
  ])('%j is refused, with exit code 2', (args, because) => {
    const { status, stderr } = imgbuild('models', ...args);
    expect(stderr).toContain(because);
    expect(status).toBe(2);
  });

  test('doctor names the program that a model is converted with, where it is missing', () => {
    declare({ m: { files: ['models/asr.bin'], convert: { command: ['no-such-converter'], outputs: ['x'] } } });
    const { stdout, status } = imgbuild('doctor');
    expect(stdout).toContain('no-such-converter is missing: it converts the model m');
    expect(status).toBe(1);
    declare({ m: { files: ['models/asr.bin'], convert: { command: ['sh'], outputs: ['x'] } } });
    expect(imgbuild('doctor').stdout).toMatch(/ok +program: \S*\/sh\n/);
  });
});

describe('from a server', () => {
  let server: FaultyServer;
  beforeEach(async () => {
    server = await startFaultyServer(weights);
    declare({ yolo: { source: { url: server.url, sha256: sum(weights) } } });
  });
  afterEach(() => server.close());
  const start = () =>
    spawn(process.execPath, [main, '-C', config.root, 'models'], { env, stdio: ['ignore', 'pipe', 'pipe'] });

  test('Ctrl-C leaves what came, and the next run goes on after it', async () => {
    server.fault = ({ number }) => (number === 0 ? { stall: 120_000 } : undefined);
    const child = start();
    const errors = text(child.stderr);
    while (server.sent === 0) await new Promise((resolved) => setTimeout(resolved, 20));
    await new Promise((resolved) => setTimeout(resolved, 300));
    child.kill('SIGINT');
    expect(await once(child, 'close')).toEqual([130, null]);
    expect(await errors).toContain('nothing is left half-written');
    const next = start();
    const [output, said] = await Promise.all([text(next.stdout), text(next.stderr), once(next, 'close')]);
    expect(output).toContain(sum(weights));
    expect(said).toContain('120000 bytes are here from before');
    expect(server.requests[1]).toMatchObject({ range: 'bytes=120000-' });
  });

  test('two at once fetch it once', async () => {
    const children = [start(), start()];
    const outputs = await Promise.all(
      children.map(async (child) => (await Promise.all([text(child.stdout), once(child, 'close')]))[0]),
    );
    for (const output of outputs) expect(output).toContain(sum(weights));
    expect(server.requests).toHaveLength(1);
  });

  test('models are fetched side by side, four files at once', async () => {
    const names = Array.from({ length: 6 }, (_, index) => `m${index}`);
    const url = (name: string) => server.url.replace('yolo', name);
    server.fault = ({ path }) => ({ body: Buffer.from(path), delay: 500 });
    declare(
      Object.fromEntries(
        names.map((name) => [name, { source: { url: url(name), sha256: sum(`/models/${name}.bin`) } }]),
      ),
    );
    const child = start();
    const [said, [status]] = await Promise.all([text(child.stderr), once(child, 'close'), text(child.stdout)]);
    expect(status, said).toBe(0);
    expect(server.mostOpen).toBeGreaterThan(1);
    expect(server.mostOpen).toBeLessThanOrEqual(4);
  });

  test('wrong checksum: exit code 2, the place in imgbuild.yaml and what to write', async () => {
    server.content = Buffer.from('sorry');
    const child = start();
    const [said, [status]] = await Promise.all([text(child.stderr), once(child, 'close')]);
    expect(status).toBe(2);
    expect(said).toMatch(/imgbuild\.yaml:\d+:\d+: error: /);
    expect(said).toContain(`write sha256: ${sum('sorry')}`);
  });
});

test('a release names its models by artifact and first version, and publishes nothing twice', async () => {
  const project = await openProject({ directory: config.root });
  const release = (version: string, publish = true) =>
    releaseModels(project, { version, publish, env, progress: silent });
  const before = await release('1.0.0', false);
  expect(before).toMatchObject([{ name: 'ocr', digest: null, repository: null }, { name: 'asr' }]);
  expect(await project.store.listTags('models/ocr')).toEqual([]);
  const first = await release('1.0.0');
  expect(first[0]).toMatchObject({
    name: 'ocr',
    size: 200_002,
    repository: 'models/ocr',
    digest: expect.stringMatching(/^sha256:/),
    version: '1.0.0',
    files: before[0]!.files,
  });
  expect(await release('1.1.0')).toEqual(first);
  expect((await project.store.listTags('models/ocr')).filter((tag) => /^\d/.test(tag))).toEqual(['1.0.0']);
});

test('a model for a Debian package alone is in the release, and in no registry', async () => {
  declare({ ocr: { files: ['models/ocr'], targets: ['deb'] } });
  expect(done('models', '--list')).toBe('ocr  (not published: targets: deb)\n');
  expect(json('models', '--push').models).toEqual([]);
  const project = await openProject({ directory: config.root });
  const [model] = await releaseModels(project, { version: '1.0.0', publish: true, env, progress: silent });
  expect(model).toMatchObject({ name: 'ocr', repository: null, digest: null, files: [{}, {}] });
  expect(await project.store.listTags('models/ocr')).toEqual([]);
});
