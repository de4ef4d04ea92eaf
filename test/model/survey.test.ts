import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { artifactFingerprint } from '../../src/artifact/input.ts';
import { BlobCache } from '../../src/fetch/blob-cache.ts';
import { newCache, survey, temporary, withModels } from './support.ts';

const weights = Buffer.alloc(3_000_000, 'weights');
const files = { 'models/ocr/w.onnx': weights, 'models/ocr/labels.txt': 'a\nb\n', 'models/asr.bin': 'x' };
const models = {
  ocr: { files: ['models/ocr/*.onnx', 'models/ocr'], license: 'MIT', format: 'onnx' },
  asr: { files: ['models/asr.bin'] },
};
const sum = (bytes: string | Buffer) => createHash('sha256').update(bytes).digest('hex');

test('models are read whole, each file once, with sums as sha256sum makes them', async () => {
  const config = withModels(models, files);
  const read = await survey(config);
  expect(read.map(({ model, local }) => [model.name, local.map(({ to }) => to)])).toEqual([
    ['ocr', ['labels.txt', 'w.onnx']],
    ['asr', ['asr.bin']],
  ]);
  const sums = read.flatMap(({ local }) => local.map(({ path, sha256 }) => `${sha256}  ${path}\n`)).join('');
  const checked = execFileSync('sha256sum', ['-c'], { cwd: config.root, input: sums, encoding: 'utf8' });
  expect(checked).toBe('models/ocr/labels.txt: OK\nmodels/ocr/w.onnx: OK\nmodels/asr.bin: OK\n');
});

test('only the named models are read; one that is not there is named with the nearest', async () => {
  const config = withModels(models, files);
  expect(await survey(config, newCache(), ['asr'])).toHaveLength(1);
  await expect(survey(config, newCache(), ['orc'])).rejects.toMatchObject({ fix: 'did you mean ocr?' });
});

test('a model whose file is missing is an error that names the nearest file, at its place', async () => {
  const config = withModels({ ocr: { files: ['models/ocr/*.onnx', 'models/ocr/lables.txt'] } }, files);
  await expect(survey(config)).rejects.toMatchObject({
    because: 'model ocr: there is no file models/ocr/lables.txt',
    fix: 'the nearest is models/ocr/labels.txt',
    at: { text: expect.stringContaining('lables') },
  });
});

test('everything that is wrong with the models is told at once', async () => {
  const config = withModels({ a: { files: ['nothing'] }, b: { files: ['none/*'] } }, files);
  await expect(survey(config)).rejects.toMatchObject({ failures: [{ kind: 'input' }, { kind: 'input' }] });
});

test('a symbolic link is no file of a model', async () => {
  const config = withModels({ ocr: { files: ['models/ocr'] } }, files);
  symlinkSync('w.onnx', join(config.root, 'models/ocr/latest'));
  await expect(survey(config)).rejects.toMatchObject({
    because: 'model ocr: models/ocr/latest is a symbolic link',
  });
});

test('two files that want one place, and names with newlines, are refused by name', async () => {
  const two = withModels({ m: { files: ['a/x.bin', 'b/x.bin'] } }, { 'a/x.bin': '1', 'b/x.bin': '2' });
  await expect(survey(two)).rejects.toMatchObject({ because: 'model m: b/x.bin and a/x.bin both become x.bin' });
  const line = withModels({ m: { files: ['a'] } }, { 'a/x\ny.bin': '1' });
  await expect(survey(line)).rejects.toMatchObject({ because: expect.stringContaining('control character') });
});

test('names with spaces and other scripts are files like others', async () => {
  const config = withModels({ m: { files: ['a'] } }, { 'a/größe 1.bin': '1', [`a/${'x'.repeat(200)}.bin`]: '2' });
  expect((await survey(config))[0]!.local).toHaveLength(2);
});

test('imgbuild’s own state is part of no model', async () => {
  const config = withModels({ m: { files: ['.'] } }, { '.imgbuild/store/blob': '1', 'a.bin': '2' });
  expect((await survey(config))[0]!.local.map(({ to }) => to)).not.toContain('.imgbuild/store/blob');
});

test('a file on this machine counts by its declared sum; another one is an error that says what to do', async () => {
  const place = join(temporary('elsewhere'), 'yolo.bin');
  writeFileSync(place, 'weights');
  const source = { path: place, sha256: sum('weights') };
  const [read] = await survey(withModels({ yolo: { source } }));
  expect(read!.local).toMatchObject([{ to: 'yolo.bin', size: 7, sha256: source.sha256 }]);
  writeFileSync(place, 'others!');
  await expect(survey(withModels({ yolo: { source } }))).rejects.toMatchObject({
    because: `it has 7 bytes with the sha256 ${sum('others!')}, and ${source.sha256} is declared`,
    fix: `if that is the file that you want, write sha256: ${sum('others!')}; if not, find out who changed it`,
    at: { text: expect.stringContaining(`sha256: ${source.sha256}`) },
    exitCode: 2,
  });
  await expect(survey(withModels({ yolo: { source: { ...source, path: '/nowhere/x.bin' } } }))).rejects.toMatchObject({
    because: 'there is no such file',
    at: { text: expect.stringContaining('/nowhere') },
  });
});

test('a file that was read before is not read again, unless it changed', async () => {
  const config = withModels({ m: { files: ['a.bin'] } }, { 'a.bin': 'one' });
  const file = join(config.root, 'a.bin');
  const old = new Date(Date.now() - 60_000);
  execFileSync('touch', ['-d', old.toISOString(), file]);
  const cache = newCache();
  await survey(config, cache);
  // Too young by its ctime to be remembered: a change within the clock's step would not show.
  expect(await (await cache.hashes()).known(file)).toBeUndefined();
  await new Promise((resolve) => setTimeout(resolve, 2100));
  await survey(config, new BlobCache(cache.folder));
  expect(await (await new BlobCache(cache.folder).hashes()).known(file)).toMatchObject({ sha256: sum('one') });
  writeFileSync(file, 'two');
  expect((await survey(config, new BlobCache(cache.folder)))[0]!.local[0]!.sha256).toBe(sum('two'));
});

test('the fingerprint knows contents, places and metadata, and no clock, folder or release', async () => {
  const print = async (declared: object, content: typeof files = files) =>
    artifactFingerprint((await survey(withModels(declared, content)))[0]!.inputs);
  const one = await print({ ocr: models.ocr });
  expect(await print({ ocr: models.ocr })).toBe(one);
  expect(await print({ ocr: { ...models.ocr, license: 'Apache-2.0' } })).not.toBe(one);
  expect(await print({ ocr: { ...models.ocr, files: ['models/*/*'] } })).not.toBe(one);
  expect(await print({ ocr: models.ocr }, { ...files, 'models/ocr/labels.txt': 'c' })).not.toBe(one);
  expect(await print({ ocr: models.ocr }, { ...files, 'models/asr.bin': 'c' })).toBe(one);
});
