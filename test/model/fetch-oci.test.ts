import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
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
