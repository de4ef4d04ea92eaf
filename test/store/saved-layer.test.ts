import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Digest } from '../../src/oci/digest.ts';
import type { Input } from '../../src/plan/input.ts';
import type { LayerStore } from '../../src/store/layer-store.ts';
import { inputsTag, lastTag, layerTag, tagKind } from '../../src/store/layer-tags.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { findSaved, lastSaved, readInputs, saveLayer } from '../../src/store/saved-layer.ts';
import { putImage } from './content.ts';

const amd64 = { os: 'linux', architecture: 'amd64' };
const fingerprint = 'ab'.repeat(32);
const parents = { base: `sha256:${'1'.repeat(64)}` as Digest };
const inputs: Input[] = [
  { kind: 'instruction', stage: 0, seq: 1, text: 'RUN true' },
  { kind: 'file', path: 'app.py', mode: '100644', hash: 'c'.repeat(40) },
];

let folder: string;
let store: LayoutStore;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imgbuild-saved-'));
  store = new LayoutStore(join(folder, 'store'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function save(into: LayerStore = store, contents = ['one'], branch = 'main') {
  const image = await putImage(into, 'service', undefined, contents);
  const layer = { layer: 'service', platform: amd64, fingerprint, image, parents, inputs, branch, revision: 'abc' };
  return { image, saved: await saveLayer(into, 'service', layer) };
}

describe('a saved layer', () => {
  it('is found with its parents and inputs', async () => {
    expect(await findSaved(store, 'service', fingerprint)).toEqual({ kind: 'missing' });
    const { image, saved } = await save();
    expect(saved).toEqual({ outcome: 'saved', digest: image.descriptor.digest, descriptor: image.descriptor });
    expect(await findSaved(store, 'service', fingerprint)).toMatchObject({
      kind: 'saved',
      digest: image.descriptor.digest,
      parents,
      record: { layer: 'service', platform: 'linux/amd64', fingerprint, revision: 'abc' },
    });
    expect(await readInputs(store, 'service', fingerprint)).toEqual(inputs);
    expect(await lastSaved(store, 'service', 'main', amd64)).toMatchObject({ fingerprint, parents });
    expect(await lastSaved(store, 'service', 'other', amd64)).toBeUndefined();
  });

  it('with a hundred thousand inputs comes back whole', async () => {
    const image = await putImage(store, 'service', undefined, ['one']);
    const many: Input[] = Array.from({ length: 100_000 }, (_, index) => ({
      kind: 'file',
      path: `dir/ö-${index}`,
      mode: '100644',
      hash: String(index).padStart(40, '0'),
    }));
    await saveLayer(store, 'service', { layer: 's', platform: amd64, fingerprint, image, parents: {}, inputs: many });
    expect(await readInputs(store, 'service', fingerprint)).toEqual(many);
  });
});

describe('never a wrong reuse', () => {
  const cases: Record<string, (path: (digest: Digest) => string) => Promise<void>> = {
    'the input manifest is missing': () => store.removeTag('service', inputsTag(fingerprint)),
    'the input manifest belongs to another image': async () => {
      await putImage(store, 'service', layerTag(fingerprint), ['another']);
    },
    'the tag is on an artifact of another kind': async () => {
      await putImage(store, 'service', inputsTag(fingerprint), ['another']);
    },
    'a blob is truncated': async (path) => truncate(path((await findDigest()).layer), 1),
    'a blob is missing': async (path) => rm(path((await findDigest()).layer)),
    'the config is missing': async (path) => rm(path((await findDigest()).config)),
    'the list of inputs is missing': async (path) => rm(path((await findDigest()).inputs)),
    'the manifest is garbage': async (path) => writeFile(path((await findDigest()).image), 'garbage'),
  };
  async function findDigest() {
    const found = await findSaved(store, 'service', fingerprint);
    if (found.kind !== 'saved') throw new Error(found.kind);
    const { config, layers } = found.manifest;
    return { image: found.digest, layer: layers[0]!.digest, config: config.digest, inputs: found.record.inputs.digest };
  }
  for (const [name, damage] of Object.entries(cases)) {
    it(`${name}: broken, and the next save mends it`, async () => {
      await save();
      await damage((digest) => store.blobPath(digest));
      expect(await findSaved(store, 'service', fingerprint)).toMatchObject({ kind: 'broken', why: expect.any(String) });
      await save();
      expect(await findSaved(store, 'service', fingerprint)).toMatchObject({ kind: 'saved' });
    });
  }

  it('a list of inputs that cannot be read explains nothing and breaks nothing', async () => {
    await save();
    const { record } = (await findSaved(store, 'service', fingerprint)) as { record: { inputs: { digest: Digest } } };
    const found = await store.hasBlob('service', record.inputs.digest);
    expect(found).toBe(true);
    await rm(store.blobPath(record.inputs.digest));
    expect(await readInputs(store, 'service', fingerprint)).toBeUndefined();
  });
});

describe('two writers at once', () => {
  it('the loser adopts the winner, whatever the order of the puts', async () => {
    // Every interleaving of the four puts of two writers: pauses before each put decide the order.
    for (let order = 0; order < 16; order++) {
      const fresh = new LayoutStore(join(folder, `store-${order}`));
      const first = slowed(fresh, [order & 1, order & 2]);
      const second = slowed(fresh, [order & 4, order & 8]);
      const [a, b] = await Promise.all([save(first, ['one']), save(second, ['two'])]);
      const found = await findSaved(fresh, 'service', fingerprint);
      expect(found).toMatchObject({ kind: 'saved' });
      const winner = (found as { digest: Digest }).digest;
      expect([a.image.descriptor.digest, b.image.descriptor.digest]).toContain(winner);
      expect([a.saved.outcome, b.saved.outcome]).toContain('saved');
    }
  });

  it('a winner that is killed before its input manifest is put back does not block the other', async () => {
    const gone = await putImage(store, 'service', undefined, ['two']);
    // The other writer's `fp-` tag comes between this one's puts and its read, and nothing follows.
    const image = await putImage(store, 'service', undefined, ['one']);
    let puts = 0;
    const raced = new Proxy(store, {
      get(target, name) {
        const value = Reflect.get(target, name, target) as unknown;
        if (name !== 'putManifest') return typeof value === 'function' ? value.bind(target) : value;
        return async (...args: Parameters<LayerStore['putManifest']>) => {
          await target.putManifest(...args);
          if (args[1] === layerTag(fingerprint) && ++puts === 1) await target.putManifest('service', args[1], gone);
        };
      },
    });
    const layer = { layer: 's', platform: amd64, fingerprint, image, parents, inputs };
    expect(await saveLayer(raced, 'service', layer)).toMatchObject({ outcome: 'saved' });
    expect(await findSaved(store, 'service', fingerprint)).toMatchObject({
      kind: 'saved',
      digest: image.descriptor.digest,
    });
  });

  function slowed(inner: LayoutStore, pauses: number[]): LayerStore {
    const waits = [...pauses];
    return new Proxy(inner, {
      get(target, name) {
        if (name === 'putManifest') {
          return async (...args: Parameters<LayerStore['putManifest']>) => {
            if (!args[1].startsWith('sha256:') && waits.shift()) await new Promise((done) => setTimeout(done, 15));
            return target.putManifest(...args);
          };
        }
        const value = Reflect.get(target, name, target) as unknown;
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }
});

describe('tags', () => {
  it('follow a branch by a name that a registry takes', () => {
    expect(lastTag('main', amd64)).toBe('last-main-linux-amd64');
    expect(lastTag('feature/x', amd64)).toMatch(/^last-feature-x-[0-9a-f]{8}-linux-amd64$/);
    expect(lastTag('feature/x', amd64)).not.toBe(lastTag('feature-x', amd64));
    expect(lastTag('b'.repeat(300), amd64)).toMatch(/^last-b+-[0-9a-f]{8}-linux-amd64$/);
    expect(lastTag('b'.repeat(300), amd64)).toHaveLength(128);
    expect(lastTag('main', amd64, 'cpu')).toMatch(/^last-main-cpu-[0-9a-f]{8}-linux-amd64$/);
    expect(lastTag('main', amd64, 'cpu')).not.toBe(lastTag('main-cpu', amd64));
    expect(lastTag('main', { os: 'linux', architecture: 'arm', variant: 'v7' })).toBe('last-main-linux-arm-v7');
  });

  it('are of four kinds', () => {
    expect(tagKind(layerTag(fingerprint))).toBe('layer');
    expect(tagKind(inputsTag(fingerprint))).toBe('inputs');
    expect(tagKind('last-main-linux-amd64')).toBe('last');
    expect(tagKind('fp-of-mine')).toBe('name');
  });
});
