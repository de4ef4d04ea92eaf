import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { whereIs } from '../../src/build/where.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { OverlayStore } from '../../src/store/overlay.ts';
import { RegistryStore } from '../../src/store/registry.ts';
import { blobOf, putImage } from '../store/content.ts';
import { startMemoryRegistry, type MemoryRegistry } from '../support/registry-memory.ts';

let folder: string;
let registry: MemoryRegistry;
let lower: RegistryStore;
let overlay: OverlayStore;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imgbuild-where-'));
  registry = await startMemoryRegistry();
  lower = new RegistryStore(registry.host, 'acme', { credentials: async () => undefined });
  overlay = new OverlayStore(new LayoutStore(join(folder, 'overlay')), lower);
});
afterEach(async () => {
  await registry.close();
  await rm(folder, { recursive: true, force: true });
});

const inFolder = () => ({ kind: 'layout', path: join(folder, 'overlay') });
const inRegistry = (repository: string) => ({ kind: 'registry', name: `${registry.host}/acme/${repository}` });

test('what only the registry below has is read there', async () => {
  const { descriptor } = await putImage(lower, 'base', 'v1', ['base']);
  expect(await whereIs(overlay, 'base', descriptor.digest)).toEqual(inRegistry('base'));
});

test('an image whose filesystem layers are below is made whole in the folder before an engine reads it', async () => {
  await putImage(lower, 'engine', 'v1', ['base', 'old']);
  const { descriptor } = await putImage(overlay, 'engine', undefined, ['base', 'new']);
  expect(await overlay.upper.hasBlob('engine', blobOf('base').digest)).toBe(false);
  expect(await whereIs(overlay, 'engine', descriptor.digest)).toEqual(inFolder());
  expect(await buffer(await overlay.upper.openBlob('engine', blobOf('base')))).toEqual(Buffer.from('base'));
});

test('an image that both have is read where it is whole', async () => {
  const { descriptor } = await putImage(lower, 'engine', 'v1', ['base']);
  await putImage(overlay, 'engine', undefined, ['base']);
  expect(await whereIs(overlay, 'engine', descriptor.digest)).toEqual(inRegistry('engine'));
});

test('a layer whose repository below lacks the parent is saved over it all the same', async () => {
  await putImage(lower, 'base', 'v1', ['base']);
  const { descriptor } = await putImage(overlay, 'added', undefined, ['base', 'mine'], { mountFrom: ['base'] });
  expect(await buffer(await overlay.openBlob('added', blobOf('base')))).toEqual(Buffer.from('base'));
  expect(await whereIs(overlay, 'added', descriptor.digest)).toEqual(inFolder());
});
