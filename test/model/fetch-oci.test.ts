import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BlobCache } from '../../src/fetch/blob-cache.ts';
import { hexOf, type Digest } from '../../src/oci/digest.ts';
import type { StoredManifest } from '../../src/oci/manifest.ts';
import { RegistryStore } from '../../src/store/registry.ts';
import { startMemoryRegistry, type MemoryRegistry } from '../support/registry-memory.ts';
import { blobOf, stored } from '../store/content.ts';
import { assemble, newCache, withModels } from './support.ts';

let registry: MemoryRegistry;
let store: RegistryStore;
let artifact: StoredManifest;
beforeEach(async () => {
  registry = await startMemoryRegistry();
  store = new RegistryStore(registry.host, '', { credentials: async () => undefined });
  artifact = await put({ 'yolo.bin': 'weights', 'conf/yolo.json': '{}' });
});
afterEach(() => registry.close());

/** An artifact as `oras push` makes it: a layer for each file, named by its title. */
async function put(files: Record<string, string>, mediaType = 'application/octet-stream'): Promise<StoredManifest> {
  const config = blobOf('{}');
  await store.putBlob('acme/yolo', config);
  const layers: object[] = [];
  for (const [title, content] of Object.entries(files)) {
    const blob = blobOf(content);
    await store.putBlob('acme/yolo', blob);
    const { digest, size } = blob;
    layers.push({ mediaType, digest, size, annotations: { 'org.opencontainers.image.title': title } });
  }
  const { digest, size } = config;
  const type = 'application/vnd.oci.empty.v1+json';
  const manifest = stored({
    schemaVersion: 2,
    artifactType: 'application/x',
    config: { mediaType: type, digest, size },
    layers,
  });
  await store.putManifest('acme/yolo', '1.0', manifest);
  return manifest;
}

const from = (reference: string, digest: Digest = artifact.descriptor.digest) =>
  withModels({ yolo: { source: { oci: `${registry.host}/acme/yolo${reference}`, sha256: hexOf(digest) } } });

describe('a model whose source is an artifact in a registry', () => {
  test('has its files, each with its place, fetched once', async () => {
    const cache = newCache();
    const files = await assemble(from(':1.0'), cache);
    expect(files.map(({ path, file }) => [path, readFileSync(file!, 'utf8')])).toEqual([
      ['conf/yolo.json', '{}'],
      ['yolo.bin', 'weights'],
    ]);
    const before = registry.log.length;
    await assemble(from(`@${artifact.descriptor.digest}`), cache);
    const blobs = registry.log.slice(before).filter(({ path }) => path.includes('/blobs/'));
    expect(blobs).toEqual([]);
  });

  describe('that was fetched in part before', () => {
    const content = randomBytes(300_000).toString('hex');
    const declared = async () => from('', (await put({ 'yolo.bin': content })).descriptor.digest);
    const wanted = blobOf(content);
    const begun = (cache: BlobCache, bytes: string) => {
      mkdirSync(join(cache.folder, 'partial'), { recursive: true });
      writeFileSync(join(cache.folder, 'partial', hexOf(wanted.digest)), bytes);
    };
    const ranges = () =>
      registry.log.filter(({ method, path }) => method === 'GET' && path.includes('/blobs/')).map(({ range }) => range);

    test('is gone on with', async () => {
      const [config, cache] = [await declared(), newCache()];
      begun(cache, content.slice(0, 200_000));
      registry.log.length = 0;
      const [file] = await assemble(config, cache);
      expect(readFileSync(file!.file!, 'utf8')).toBe(content);
      expect(ranges()).toEqual(['bytes=200000-']);
    });

    test.each([
      ['of another file', 'x'.repeat(200_000)],
      ['whole, and of another file', 'x'.repeat(600_000)],
      ['longer than the file', 'x'.repeat(700_000)],
    ])('is fetched anew where that is %s', async (_what, bytes) => {
      const [config, cache] = [await declared(), newCache()];
      begun(cache, bytes);
      registry.log.length = 0;
      const [file] = await assemble(config, cache);
      expect(readFileSync(file!.file!, 'utf8')).toBe(content);
      expect(ranges().at(-1)).toBeUndefined();
    });

    test('is not asked for again where that is all', async () => {
      const [config, cache] = [await declared(), newCache()];
      begun(cache, content);
      registry.log.length = 0;
      await assemble(config, cache);
      expect(ranges()).toEqual([]);
    });

    test('is what a cut and stopped fetch leaves', async () => {
      const [config, cache] = [await declared(), newCache()];
      let cuts = 0;
      registry.fault = ({ method, path }) => {
        if (method !== 'GET' || !path.includes('/blobs/')) return undefined;
        return cuts++ === 0 ? { cut: 250_000 } : { status: 403 };
      };
      await expect(assemble(config, cache)).rejects.toThrow('403');
      registry.fault = () => undefined;
      registry.log.length = 0;
      await assemble(config, cache);
      expect(ranges()).toEqual(['bytes=250000-']);
    });
  });

  test.each([
    ['flipped', { flip: true } as const, /its bytes are those of sha256:/],
    ['cut short', undefined, /it ends after 3 of the 7 bytes/],
  ])('whose bytes are %s is broken, and nothing of them is kept', async (_what, fault, message) => {
    const cache = newCache();
    const blob = blobOf('weights');
    if (fault === undefined) registry.blobs.set(blob.digest, Buffer.from('wei'));
    else registry.fault = ({ method, path }) => (method === 'GET' && path.endsWith(blob.digest) ? fault : undefined);
    await expect(assemble(from(':1.0'), cache)).rejects.toThrow(message);
    expect(await cache.find(hexOf(blob.digest))).toBeUndefined();
    registry.fault = () => undefined;
    registry.blobs.set(blob.digest, Buffer.from('weights'));
    expect(await assemble(from(':1.0'), cache)).toHaveLength(2);
  });

  test('a changed source without a changed checksum is an error: the tag stands on another digest', async () => {
    const declared = from(':1.0');
    const { descriptor } = await put({ 'yolo.bin': 'other weights' });
    await expect(assemble(declared, newCache())).rejects.toMatchObject({
      because: expect.stringContaining(`its tag stands on ${descriptor.digest}`),
      at: { text: expect.stringContaining('oci') },
      exitCode: 2,
    });
    // Without the tag the digest alone is asked for.
    expect(await assemble(from(''), newCache())).toHaveLength(2);
  });

  test('that is gone, or is no list of files, or wants to be elsewhere, is an error by its name', async () => {
    await expect(assemble(from('', `sha256:${'0'.repeat(64)}`), newCache())).rejects.toMatchObject({
      because: expect.stringContaining('the registry has no'),
    });
    const tar = await put({ 'yolo.tar': 'x' }, 'application/vnd.oci.image.layer.v1.tar+gzip');
    await expect(assemble(from('', tar.descriptor.digest), newCache())).rejects.toMatchObject({
      because: expect.stringContaining('is an archive'),
    });
    const outside = await put({ '../../etc/passwd': 'x' });
    await expect(assemble(from('', outside.descriptor.digest), newCache())).rejects.toMatchObject({
      because: expect.stringContaining('../../etc/passwd'),
    });
  });

  test.each([
    ['cuts', { cut: 3 }],
    ['answers 503', { status: 503 }],
  ])('a registry that %s is asked again', async (_, fault) => {
    registry.fault = ({ path, nth }) => (path.includes('/blobs/') && nth === 1 ? fault : undefined);
    expect(await assemble(from(':1.0'), newCache())).toHaveLength(2);
  });

  test('a registry that gives other bytes: nothing of them is kept', async () => {
    registry.fault = ({ path }) => (path.includes('/blobs/') ? { flip: true } : undefined);
    const cache = newCache();
    await expect(assemble(from(':1.0'), cache)).rejects.toThrow();
    registry.fault = () => undefined;
    expect(await assemble(from(':1.0'), cache)).toHaveLength(2);
  });
});
