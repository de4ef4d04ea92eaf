import { statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { inspectBundle } from '../../src/delta/inspect.ts';
import { noise, sampleTar } from './sample-image.ts';
import { base, folder, inspecting, make, put } from '../support/made-bundle.ts';

test('inspect says what of each file is sent', async () => {
  const model = noise(200_000, 'model');
  const code = noise(60_000, 'code');
  put('old.tar', [
    base,
    sampleTar([
      { name: 'm/a.onnx', bytes: model },
      { name: 'keep', bytes: code },
      { name: 'app.py', bytes: noise(30_000, 'app') },
    ]),
  ]);
  put('new.tar', [
    base,
    sampleTar([
      { name: 'm/b.onnx', bytes: model },
      { name: 'keep', bytes: code },
      { name: 'app.py', bytes: Buffer.concat([noise(30_000, 'app'), Buffer.from('line')]) },
      { name: 'new.txt', bytes: 'quite new' },
    ]),
  ]);
  await make({ format: 'oci-delta' });
  const path = join(folder, 'out.ota.tar');
  await expect(
    inspectBundle(path, 0, { ...inspecting(), signal: AbortSignal.abort(new Error('stopped')) }),
  ).rejects.toThrow('stopped');
  const inspected = await inspectBundle(path, statSync(path).size, inspecting());
  const [first, second] = inspected.images[0]!.layers;
  expect(first).toMatchObject({ kind: 'reused', bytes: 0 });
  const sent = second!.files!.map((file) => ({ ...file, bytes: undefined }));
  expect(sent).toEqual([
    {
      path: 'm/b.onnx',
      change: 'moved',
      source: 'm/a.onnx',
      size: 200_000,
      copied: 200_000,
      added: 0,
      differing: 0,
      literal: 0,
    },
    {
      path: 'keep',
      change: 'unchanged',
      source: 'keep',
      size: 60_000,
      copied: 60_000,
      added: 0,
      differing: 0,
      literal: 0,
    },
    {
      path: 'app.py',
      change: 'changed',
      source: 'app.py',
      size: 30_004,
      copied: 30_000,
      added: 0,
      differing: 0,
      literal: 4,
    },
    { path: 'new.txt', change: 'new', size: 9, copied: 0, added: 0, differing: 0, literal: 9 },
  ]);
  const files = second!.files!.reduce((sum, file) => sum + file.copied! + file.added! + file.literal!, 0);
  expect(files + second!.headers!).toBe(second!.uncompressed);
});

test('inspect accounts for every byte of a bundle, by file', async () => {
  const old = noise(400_000, 'library');
  const text = Buffer.from('the same line again and again\n'.repeat(20_000));
  put('old.tar', [base, sampleTar([{ name: 'lib.so', bytes: old }])]);
  const changed = Buffer.from(old);
  for (let at = 0; at < changed.length; at += 100) changed[at]! ^= 1;
  put('new.tar', [
    base,
    sampleTar([
      { name: 'lib.so', bytes: changed },
      { name: 'log.txt', bytes: text },
      { name: 'weights', bytes: noise(300_000, 'weights') },
    ]),
    sampleTar([{ name: 'other', bytes: noise(100_000, 'other') }]),
  ]);
  await make({ format: 'oci-delta' });
  const path = join(folder, 'out.ota.tar');
  const size = statSync(path).size;
  const { documents, images } = await inspectBundle(path, size, inspecting());
  const layers = images[0]!.layers;
  let sum = documents;
  for (const { bytes, overhead = 0, files = [] } of layers) {
    expect(overhead + files.reduce((total, file) => total + file.bytes, 0)).toBe(bytes);
    sum += bytes;
  }
  expect(sum).toBe(size);
  const costs = new Map(layers.flatMap(({ files = [] }) => files.map((file) => [file.path, file.bytes] as const)));
  // Noise keeps its size; text and the differences of every hundredth byte nearly vanish.
  expect(costs.get('weights')).toBeGreaterThan(290_000);
  expect(costs.get('weights')).toBeLessThan(310_000);
  expect(costs.get('other')).toBeGreaterThan(95_000);
  expect(costs.get('lib.so')).toBeLessThan(20_000);
  expect(costs.get('log.txt')).toBeLessThan(5_000);
});
