import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { digestOf, hexOf } from '../../src/oci/digest.ts';
import { mediaType } from '../../src/oci/media-type.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { readInventory } from '../../src/store/inventory.ts';
import type { LayerStore } from '../../src/store/layer-store.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { damagedTags, findFaults } from '../../src/store/verify.ts';
import { blobOf, stored } from './content.ts';

let folder: string;
let store: LayoutStore;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'imgbuild-verify-'));
  store = new LayoutStore(folder);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const config = Buffer.from('{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}}');
const layer = Buffer.from('a filesystem layer');
const described = (bytes: Buffer, type: string): Descriptor => ({
  mediaType: type,
  digest: digestOf(bytes),
  size: bytes.length,
});

/** Saves an image whose manifest says that the layer has so many bytes; a store takes none that says so wrongly. */
async function save(tag: string, size: number): Promise<void> {
  for (const bytes of [config, layer]) await store.putBlob('app', blobOf(bytes));
  const manifest = (said: number) =>
    stored({
      schemaVersion: 2,
      mediaType: mediaType.manifest,
      config: described(config, mediaType.config),
      layers: [{ ...described(layer, mediaType.layerTar), size: said }],
    });
  const right = manifest(layer.length);
  await store.putManifest('app', tag, right);
  if (size === layer.length) return;
  const wrong = manifest(size);
  writeFileSync(join(folder, 'blobs/sha256', hexOf(wrong.descriptor.digest)), wrong.bytes);
  const index = join(folder, 'index.json');
  const entries = JSON.parse(readFileSync(index, 'utf8')) as { manifests: Descriptor[] };
  for (const entry of entries.manifests) {
    if (entry.annotations?.['org.opencontainers.image.ref.name'] !== `app:${tag}`) continue;
    Object.assign(entry, { digest: wrong.descriptor.digest, size: wrong.bytes.length });
  }
  writeFileSync(index, JSON.stringify(entries));
}

test('a store that fails is asked no more, once it is told', async () => {
  const tags = Array.from({ length: 50 }, (_, index) => `t${index}`);
  let asked = 0;
  let answered = 0;
  const failing = {
    name: 'registry',
    listRepositories: async () => ['app'],
    listTags: async () => tags,
    async getManifest(_repository: string, tag: string) {
      asked += 1;
      if (tag === 't0') throw new Error('500');
      await sleep(20);
      answered += 1;
      return undefined;
    },
  } as unknown as LayerStore;
  await expect(readInventory(failing, [])).rejects.toThrow('500');
  expect([asked, answered]).toEqual([8, 7]);
});

test('a blob that one image names rightly and another with a wrong size damages the other alone', async () => {
  await save('right', layer.length);
  await save('wrong', layer.length + 1);
  const inventory = await readInventory(store, []);
  const faults = await findFaults(store, inventory, { bytes: true });
  expect(damagedTags(inventory, faults).map(({ tag }) => tag)).toEqual(['wrong']);
  for (const { blob } of faults.values()) await store.removeBlob(blob);
  expect(await store.hasBlob('app', digestOf(layer))).toBe(true);
});
