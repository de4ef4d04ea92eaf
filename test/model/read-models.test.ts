import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readModels } from '../../src/model/read-models.ts';
import { silent } from '../../src/progress.ts';
import { makeProject } from '../deb/support/project.ts';

const weights = Buffer.alloc(3_000_000, 'weights');
const files = { 'models/ocr/w.onnx': weights, 'models/ocr/labels.txt': 'a\nb\n', 'models/asr.bin': 'x' };
const models = {
  ocr: { files: ['models/ocr/*.onnx', 'models/ocr'], license: 'MIT', format: 'onnx' },
  asr: { files: ['models/asr.bin'] },
};

test('models are read whole, each file once, with sums as sha256sum makes them', async () => {
  const config = makeProject({}, files, { models });
  const read = await readModels({ config, progress: silent });
  expect(read.map(({ name, size, license, format }) => ({ name, size, license, format }))).toEqual([
    { name: 'ocr', size: 3_000_004, license: 'MIT', format: 'onnx' },
    { name: 'asr', size: 1, license: undefined, format: undefined },
  ]);
  const sums = read.flatMap((model) => model.files.map(({ path, sha256 }) => `${sha256}  ${path}\n`)).join('');
  const checked = execFileSync('sha256sum', ['-c'], { cwd: config.root, input: sums, encoding: 'utf8' });
  expect(checked).toBe('models/ocr/labels.txt: OK\nmodels/ocr/w.onnx: OK\nmodels/asr.bin: OK\n');
  expect(read[0]!.files[1]!.sha256).toBe(createHash('sha256').update(weights).digest('hex'));
});

test('only the named models are read; one that is not there is named with the nearest', async () => {
  const config = makeProject({}, files, { models });
  expect(await readModels({ config, only: ['asr'], progress: silent })).toHaveLength(1);
  await expect(readModels({ config, only: ['orc'], progress: silent })).rejects.toMatchObject({
    fix: 'did you mean ocr?',
  });
});

test('a model whose file is missing is an error that names the nearest file, at its place', async () => {
  const config = makeProject({}, files, { models: { ocr: { files: ['models/ocr/*.onnx', 'models/ocr/lables.txt'] } } });
  await expect(readModels({ config, progress: silent })).rejects.toMatchObject({
    because: 'model ocr: there is no file models/ocr/lables.txt',
    fix: 'the nearest is models/ocr/labels.txt',
    at: { text: expect.stringContaining('lables') },
  });
});

test('a symbolic link is no file of a model', async () => {
  const config = makeProject({}, files, { models: { ocr: { files: ['models/ocr'] } } });
  symlinkSync('w.onnx', join(config.root, 'models/ocr/latest'));
  await expect(readModels({ config, progress: silent })).rejects.toMatchObject({
    because: 'model ocr: models/ocr/latest is a symbolic link',
  });
});
