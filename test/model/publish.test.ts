import { createHash } from 'node:crypto';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as z from 'zod';
import { filesOf, packModel, roleOf } from '../../src/model/model-pack.ts';
import { parseManifest } from '../../src/oci/parse-manifest.ts';
import { OverlayStore } from '../../src/store/overlay.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { RegistryStore } from '../../src/store/registry.ts';
import { startMemoryRegistry, type MemoryRegistry } from '../support/registry-memory.ts';
import { describePublishing, manifestAt, publish } from './publishing.ts';
import { startFaultyServer } from '../fetch/support/faulty-server.ts';
import { newCache, temporary, withModels } from './support.ts';

let registry: MemoryRegistry;
beforeAll(async () => {
  registry = await startMemoryRegistry();
});
afterAll(() => registry.close());
const inRegistry = () => new RegistryStore(registry.host, 'acme/ccai', { credentials: async () => undefined });
const inFolder = () => new LayoutStore(join(temporary('models'), 'store'));

describePublishing('a folder', inFolder, 'present');
describePublishing('a registry', inRegistry, 'mounted');
describePublishing('a folder over a registry', () => new OverlayStore(inFolder(), inRegistry()), 'present');

test('a file that is damaged in the store is put again, also one that comes from elsewhere', async () => {
  const content = Buffer.alloc(50_000, 'weights');
  const server = await startFaultyServer(content);
  try {
    const sha256 = createHash('sha256').update(content).digest('hex');
    const store = inFolder();
    const config = withModels({ m: { files: ['a.txt'], source: { url: server.url, sha256 } } }, { 'a.txt': 'a' });
    await publish(config, store);
    const blob = store.blobPath(`sha256:${sha256}`);
    truncateSync(blob, 10);
    const { reasons, published } = await publish(config, store);
    expect(reasons[0]).toContain('has 10 bytes instead of 50000');
    expect(published.moved.uploaded).toBe(50_000);
    expect(readFileSync(blob).equals(content)).toBe(true);
    // Another file changed, and this one is damaged too.
    truncateSync(blob, 10);
    writeFileSync(join(config.root, 'a.txt'), 'b');
    await publish(config, store);
    expect(readFileSync(blob).equals(content)).toBe(true);
  } finally {
    await server.close();
  }
});

test('a file that ghcr.io would not take is refused before anything is sent', async () => {
  const config = withModels({ m: { files: ['big.bin'] } }, { 'big.bin': '' });
  truncateSync(join(config.root, 'big.bin'), 10_000_000_001);
  const cache = newCache();
  const hashes = await cache.hashes();
  // Reading ten gigabytes of nothing would take its time.
  await hashes.remember(join(config.root, 'big.bin'), 'a'.repeat(64));
  const inner = inFolder();
  const store = new Proxy(inner, {
    get(target, key) {
      if (key === 'name') return 'ghcr.io/acme/ccai';
      if (key === 'putBlob' || key === 'putManifest') return () => expect.unreachable();
      const value = Reflect.get(target, key, target) as unknown;
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  await expect(publish(config, store, { cache })).rejects.toMatchObject({
    because: 'big.bin has 10000000001 bytes, and ghcr.io takes at most 10 GB in one layer',
  });
});

/** By the property tables and the schema of the CNCF model-spec: what a config may have, and must. */
const modelConfig = z.strictObject({
  descriptor: z.strictObject({
    createdAt: z.iso.datetime().optional(),
    authors: z.array(z.string()).optional(),
    family: z.string().optional(),
    name: z.string().min(1).optional(),
    version: z.string().optional(),
    vendor: z.string().optional(),
    licenses: z.array(z.string()).optional(),
    title: z.string().optional(),
    description: z.string().optional(),
  }),
  config: z.strictObject({
    architecture: z.string().optional(),
    format: z.string().optional(),
    paramSize: z.string().optional(),
    precision: z.string().optional(),
    quantization: z.string().optional(),
  }),
  modelfs: z.strictObject({
    type: z.literal('layers'),
    diffIds: z.array(z.string().regex(/^sha256:[0-9a-f]{64}$/)).min(1),
  }),
});

test('an artifact is what the model-spec says: type, config, raw layers with their paths', async () => {
  const store = inFolder();
  const config = withModels(
    { ocr: { files: ['m'], license: 'Apache-2.0', format: 'onnx' } },
    {
      'm/net.onnx': 'weights',
      'm/net.json': '{}',
      'm/README.md': '#',
      'm/run.py': '1',
      'm/train.csv': 'a,b',
      'm/sub/net.bin': 'w',
    },
  );
  const { published } = await publish(config, store);
  const manifest = (await manifestAt(store, 'models/ocr', published.digest))!;
  expect(manifest).toMatchObject({
    artifactType: 'application/vnd.cncf.model.manifest.v1+json',
    config: { mediaType: 'application/vnd.cncf.model.config.v1+json' },
  });
  expect(
    manifest.layers.map(({ mediaType, annotations }) => [annotations?.['org.cncf.model.filepath'], mediaType]),
  ).toEqual([
    ['README.md', 'application/vnd.cncf.model.doc.v1.raw'],
    ['net.json', 'application/vnd.cncf.model.weight.config.v1.raw'],
    ['net.onnx', 'application/vnd.cncf.model.weight.v1.raw'],
    ['run.py', 'application/vnd.cncf.model.code.v1.raw'],
    ['sub/net.bin', 'application/vnd.cncf.model.weight.v1.raw'],
    ['train.csv', 'application/vnd.cncf.model.dataset.v1.raw'],
  ]);
  const chunks: Buffer[] = [];
  for await (const chunk of await store.openBlob('models/ocr', manifest.config)) chunks.push(chunk as Buffer);
  const document = modelConfig.parse(JSON.parse(Buffer.concat(chunks).toString()));
  expect(document).toMatchObject({ descriptor: { name: 'ocr', licenses: ['Apache-2.0'] }, config: { format: 'onnx' } });
  // A raw layer is its own content. model-spec, config: diffIds in the layers' order.
  expect(document.modelfs.diffIds).toEqual(manifest.layers.map(({ digest }) => digest));
});

test('what each file is for is told by its name', () => {
  const names: Record<string, string[]> = {
    weight: ['a.onnx', 'a.bin', 'model-00001-of-00002.safetensors', 'a.gguf', 'a.pt', 'a', 'a.unknown', 'a.tflite'],
    'weight.config': ['config.json', 'tokenizer.model', 'net.xml', 'labels.txt', 'a.prototxt', 'x.yaml'],
    doc: ['README.md', 'LICENSE', 'LICENSE.txt', 'MODEL_CARD.md', 'paper.pdf'],
    code: ['run.py', 'convert.sh'],
    dataset: ['calibration.csv', 'a.parquet'],
  };
  for (const [role, list] of Object.entries(names)) for (const name of list) expect(roleOf(name), name).toBe(role);
});

test('packing is pure: the order of the files and the clock change no byte', () => {
  const files = ['b', 'a', 'ä', 'a/b'].map((path, index) => ({ path, size: index, sha256: String(index).repeat(64) }));
  const one = packModel({ name: 'm', files });
  const two = packModel({ name: 'm', files: files.toReversed() });
  expect(two).toEqual(one);
  const parsed = parseManifest(one.manifest.bytes);
  if (parsed.kind !== 'image') throw new Error('an image manifest is expected');
  expect(filesOf(parsed.manifest).map(({ path }) => path)).toEqual(['a', 'a/b', 'b', 'ä']);
});
