import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { silent } from '../../src/progress.ts';
import { startFaultyServer, type FaultyServer } from '../fetch/support/faulty-server.ts';
import { assemble, newCache, withModels } from './support.ts';

vi.setConfig({ testTimeout: 120_000 });

const content = randomBytes(500_000);
const sum = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex');
const sha256 = sum(content);
let server: FaultyServer;
beforeEach(async () => {
  server = await startFaultyServer(content);
});
afterEach(() => server.close());

describe('a model whose source is a URL', () => {
  const yolo = (more: object = {}) => withModels({ yolo: { source: { url: server.url, sha256, ...more } } });

  test('is fetched once, for every checkout of this user', async () => {
    const cache = newCache();
    const [file] = await assemble(yolo(), cache);
    expect(file).toMatchObject({ path: 'yolo.bin', size: content.length, sha256 });
    expect(readFileSync(file!.file!).equals(content)).toBe(true);
    await assemble(yolo({ as: 'weights/best.bin' }), cache);
    expect(server.requests).toHaveLength(1);
  });

  test('wrong checksum from a source: the model is not made, and what to do is said at its place', async () => {
    server.content = Buffer.from('a page that says sorry');
    const cache = newCache();
    await expect(assemble(yolo(), cache)).rejects.toMatchObject({
      because: `it has 22 bytes with the sha256 ${sum(server.content)}, and ${sha256} is declared`,
      fix: expect.stringContaining(`write sha256: ${sum(server.content)}`),
      at: { text: expect.stringContaining(sha256) },
      exitCode: 2,
    });
    expect(existsSync(cache.pathOf(sha256))).toBe(false);
  });

  test('a changed source without a changed checksum is an error, though the old bytes are here', async () => {
    const cache = newCache();
    await assemble(yolo(), cache);
    const before = readFileSync(cache.pathOf(sha256));
    server.fault = ({ path }) => (path === '/models/yolo-2.bin' ? { body: Buffer.from('version 2') } : undefined);
    await expect(assemble(yolo({ url: server.url.replace('yolo', 'yolo-2') }), cache)).rejects.toMatchObject({
      because: expect.stringContaining('the source was changed and its checksum was not'),
    });
    expect(readFileSync(cache.pathOf(sha256)).equals(before)).toBe(true);
    await assemble(yolo(), cache);
  });

  test('a source that moved, with the same bytes, is asked once', async () => {
    const cache = newCache();
    await assemble(yolo(), cache);
    for (let round = 0; round < 2; round += 1) {
      await assemble(yolo({ url: server.url.replace('yolo', 'mirror'), as: 'yolo.bin' }), cache);
    }
    expect(server.requests).toHaveLength(2);
  });

  test.each([
    ['cuts', { cut: 100_000 }],
    ['ignores Range', { cut: 100_000, ignoreRange: true as const }],
    ['lies about length', { short: 1000 }],
  ])('a server that %s', async (_, fault) => {
    server.fault = ({ number }) => (number < 2 ? fault : undefined);
    const [file] = await assemble(yolo(), newCache());
    expect(readFileSync(file!.file!).equals(content)).toBe(true);
  });
});

test('sources are fetched side by side, four at most; after a failure no other begins, and what came is kept', async () => {
  const names = Array.from({ length: 12 }, (_, index) => `part-${index}.bin`);
  server.fault = ({ path }) =>
    path.endsWith('part-2.bin') ? { status: 404, delay: 100 } : { body: Buffer.from(path), delay: 100 };
  const source = names.map((as) => ({ url: server.url.replace('yolo.bin', as), sha256: sum(`/models/${as}`) }));
  const cache = newCache();
  await expect(assemble(withModels({ m: { source } }), cache)).rejects.toMatchObject({
    fix: expect.stringContaining('write that as its url:'),
  });
  expect(server.mostOpen).toBeGreaterThan(1);
  expect(server.mostOpen).toBeLessThanOrEqual(4);
  expect(server.requests.length).toBeLessThan(12);
  const before = server.requests.length;
  server.fault = ({ path }) => ({ body: Buffer.from(path) });
  expect(await assemble(withModels({ m: { source } }), cache)).toHaveLength(12);
  expect(server.requests.length - before).toBeLessThan(12);
});

test('files, sources and a list of sources are one model, in byte order; two for one place are refused', async () => {
  const files = { 'models/README.md': 'read me', 'models/yolo.bin': 'mine' };
  const source = [{ url: server.url, sha256 }];
  const config = withModels({ m: { files: ['models/README.md'], source } }, files);
  expect((await assemble(config, newCache())).map(({ path }) => path)).toEqual(['README.md', 'yolo.bin']);
  await expect(assemble(withModels({ m: { files: ['models'], source } }, files), newCache())).rejects.toMatchObject({
    because: 'model m: models/yolo.bin and this source both become yolo.bin',
    at: { text: expect.stringContaining('url') },
  });
});

describe('a model that is converted', () => {
  const convert = (script: string, more: object = {}) => ({
    command: ['sh', '-ec', script, 'convert', '${source}', '${output}'],
    outputs: ['up.txt'],
    ...more,
  });
  const files = { 'models/a.txt': 'abc\n', 'tools/map.txt': 'a-z\n', 'tools/other.txt': '' };
  const upper = 'tr "$(cat tools/map.txt)" A-Z < "$1/a.txt" > "$2/up.txt"; echo ran >> "$COUNT"';
  const model = (more: object = {}, script = upper) =>
    withModels(
      { m: { files: ['models/a.txt'], convert: convert(script, { inputs: ['tools/map.txt'], ...more }) } },
      files,
    );
  const counter = () => join(newCache().folder, 'count');
  const runs = (file: string) => (existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0);

  test('is what the command makes of declared files, and is made once', async () => {
    const cache = newCache();
    const env = { ...process.env, COUNT: counter() };
    const [file] = await assemble(model(), cache, { env });
    expect(file).toMatchObject({ path: 'up.txt', sha256: sum('ABC\n') });
    await assemble(model(), cache, { env });
    expect(runs(env.COUNT)).toBe(1);
    await assemble(model({ version: '2' }), cache, { env });
    expect(runs(env.COUNT)).toBe(2);
    expect(readdirSync(join(cache.folder, 'work'))).toEqual([]);
  });

  test('sees no file of the repository that it does not declare', async () => {
    await expect(assemble(model({}, 'cat tools/other.txt'), newCache())).rejects.toMatchObject({
      because: expect.stringContaining('tools/other.txt'),
      fix: expect.stringContaining('convert.inputs'),
    });
  });

  test('gets words, not a shell: what looks like a command is an argument', async () => {
    const config = withModels(
      {
        m: {
          files: ['models/a.txt'],
          convert: { command: ['cp', '${source}/a.txt', '${output}/$(touch x);.txt'], outputs: ['$(touch x);.txt'] },
        },
      },
      files,
    );
    const [file] = await assemble(config, newCache());
    expect(file).toMatchObject({ path: '$(touch x);.txt', sha256: sum('abc\n') });
  });

  test('runs a script of the repository that is declared', async () => {
    const config = withModels(
      {
        m: {
          files: ['models/a.txt'],
          convert: { command: ['./tools/up.sh'], inputs: ['tools/up.sh'], outputs: ['up.txt'] },
        },
      },
      { ...files, 'tools/up.sh': '#!/bin/sh\ntr a-z A-Z < "$IMGBUILD_SOURCE/a.txt" > "$IMGBUILD_OUTPUT/up.txt"\n' },
    );
    chmodSync(join(config.root, 'tools/up.sh'), 0o755);
    expect((await assemble(config, newCache()))[0]).toMatchObject({ sha256: sum('ABC\n') });
  });

  test('and fails leaves nothing, and its last words are told', async () => {
    const cache = newCache();
    await expect(
      assemble(model({}, 'echo half > "$2/up.txt"; echo no weights >&2; exit 3'), cache),
    ).rejects.toMatchObject({
      doing: expect.stringContaining('converting model m'),
      because: 'exit code 3: no weights',
    });
    expect(readdirSync(join(cache.folder, 'work'))).toEqual([]);
    expect(await cache.find(sum('half\n'))).toBeUndefined();
  });

  test('and does not make what it declares is an error with the nearest name', async () => {
    await expect(assemble(model({}, 'echo 1 > "$2/upp.txt"'), newCache())).rejects.toMatchObject({
      because: 'it exited with 0, and up.txt is not there',
      fix: 'did you mean upp.txt?',
    });
    await expect(assemble(model({}, 'ln -s /etc/passwd "$2/up.txt"'), newCache())).rejects.toMatchObject({
      because: 'it made up.txt, which is no file',
    });
  });

  test('whose program is missing says so', async () => {
    const config = withModels(
      { m: { files: ['models/a.txt'], convert: { command: ['no-such-tool'], outputs: ['a'] } } },
      files,
    );
    await expect(assemble(config, newCache())).rejects.toMatchObject({
      fix: expect.stringContaining('install no-such-tool'),
    });
  });

  test('is stopped by Ctrl-C, with the programs that it started', async () => {
    const stop = new AbortController();
    const cache = newCache();
    const env = { ...process.env, COUNT: counter() };
    const notes: string[] = [];
    const progress = {
      ...silent,
      note: (text: string) => void (notes.push(text), setTimeout(() => stop.abort(), 200)),
    };
    await expect(
      assemble(model({}, '(sleep 30; echo ran >> "$COUNT") & wait'), cache, { progress, signal: stop.signal, env }),
    ).rejects.toThrow();
    expect(notes).toEqual(['m: converting with sh']);
    expect(readdirSync(join(cache.folder, 'work'))).toEqual([]);
  });

  test('is given no secret of imgbuild or GitHub', async () => {
    const env = { ...process.env, IMGBUILD_SIGNING_KEY: 'hunter2', GITHUB_TOKEN: 'hunter2', KEPT: 'kept' };
    const [file] = await assemble(model({}, 'env > "$2/up.txt"'), newCache(), { env });
    const seen = readFileSync(file!.file!, 'utf8');
    expect(seen).toContain('KEPT=kept');
    expect(seen).not.toContain('hunter2');
  });
});
