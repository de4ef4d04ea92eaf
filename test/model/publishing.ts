import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { BlobCache } from '../../src/fetch/blob-cache.ts';
import { planModel, publishModel, type PublishedModel } from '../../src/model/publish.ts';
import type { ImageManifest } from '../../src/oci/manifest.ts';
import { silent } from '../../src/progress.ts';
import { describeReason } from '../../src/report/reason.ts';
import type { LayerStore } from '../../src/store/layer-store.ts';
import { startFaultyServer } from '../fetch/support/faulty-server.ts';
import { parseProject } from '../deb/support/project.ts';
import { newCache, survey, withModels } from './support.ts';

export interface PublishRequest {
  version?: string;
  branch?: string;
  force?: boolean;
  others?: string[];
  cache?: BlobCache;
}

/** Plans and publishes the one model of a configuration, as `models --push` does. */
export async function publish(config: Config, store: LayerStore, request: PublishRequest = {}) {
  const { version, branch = 'main', force = false, others = [], cache = newCache() } = request;
  const [surveyed] = await survey(config, cache);
  const planned = await planModel(surveyed!, { store, branches: [branch, 'main'], force });
  const reasons = planned.plan.action === 'make' ? planned.plan.reasons.map(describeReason) : [];
  const published: PublishedModel = await publishModel(planned, {
    config,
    store,
    cache,
    env: process.env,
    branch,
    others,
    progress: silent,
    ...(version === undefined ? {} : { version: { text: version, tag: version } }),
  });
  return { reasons, published };
}

export const manifestAt = async (store: LayerStore, repository: string, reference: string) => {
  const stored = await store.getManifest(repository, reference);
  return stored && (JSON.parse(Buffer.from(stored.bytes).toString()) as ImageManifest);
};

/** What publishing does in every store. `sharing`: what a file of another model becomes. */
export function describePublishing(
  name: string,
  open: () => LayerStore | Promise<LayerStore>,
  sharing: 'present' | 'mounted',
): void {
  describe(`models in ${name}`, () => {
    let store: LayerStore;
    let config: Config;
    let model: string;
    const weights = randomBytes(100_000);
    const files = { 'models/yolo.bin': weights, 'models/labels.txt': 'a\nb\n' };
    const again = (more: object) => {
      config = parseProject(config.root, {}, { models: { [model]: { files: ['models'], license: 'MIT', ...more } } });
    };
    beforeEach(async () => {
      store = await open();
      model = `yolo${randomBytes(6).toString('hex')}`;
      config = withModels({ [model]: { files: ['models'], license: 'MIT' } }, files);
    });

    test('are there by tag, by digest and by what they were made of, with every byte', async () => {
      const { reasons, published } = await publish(config, store, { version: '1.0.0' });
      expect(reasons).toEqual(['never built']);
      const { repository, digest, fingerprint } = published;
      expect(repository).toBe(`models/${model}`);
      expect(published).toMatchObject({ outcome: 'published', version: '1.0.0' });
      for (const reference of ['1.0.0', digest, `fp-${fingerprint}`]) {
        expect((await store.getManifest(repository, reference))?.descriptor.digest).toBe(digest);
      }
      const manifest = (await manifestAt(store, repository, '1.0.0'))!;
      const layer = manifest.layers.find((each) => each.annotations?.['org.cncf.model.filepath'] === 'yolo.bin')!;
      expect((await buffer(await store.openBlob(repository, layer))).equals(weights)).toBe(true);
    });

    test('that are unchanged move nothing, and keep the version that they were made for', async () => {
      const first = await publish(config, store, { version: '1.0.0' });
      const tags = await store.listTags(first.published.repository);
      const second = await publish(config, store, { version: '1.1.0' });
      expect(second.published).toMatchObject({
        outcome: 'reused',
        digest: first.published.digest,
        version: '1.0.0',
        moved: { uploaded: 0, mounted: 0 },
      });
      expect(await store.listTags(first.published.repository)).toEqual(tags);
    });

    test('that were published for no release get the version of the first that they are in', async () => {
      const { published } = await publish(config, store);
      expect(published.version).toBeNull();
      expect((await publish(config, store, { version: '1.0.0' })).published).toMatchObject({
        outcome: 'reused',
        version: '1.0.0',
      });
      expect((await publish(config, store, { version: '1.1.0' })).published).toMatchObject({ version: '1.0.0' });
      expect((await store.getManifest(published.repository, '1.0.0'))?.descriptor.digest).toBe(published.digest);
      expect(await store.getManifest(published.repository, '1.1.0')).toBeUndefined();
    });

    test('of which one file changed send that file, and say which', async () => {
      await publish(config, store, { version: '1.0.0' });
      writeFileSync(join(config.root, 'models/labels.txt'), 'a\nb\nc\n');
      const { reasons, published } = await publish(config, store, { version: '1.1.0' });
      expect(reasons).toEqual(['models/labels.txt changed']);
      expect(published).toMatchObject({ version: '1.1.0', moved: { uploaded: 6, present: weights.length } });
    });

    test('whose metadata changed say so, and send no file', async () => {
      await publish(config, store, { version: '1.0.0' });
      again({ license: 'Apache-2.0', format: 'onnx' });
      const { reasons, published } = await publish(config, store, { version: '1.1.0' });
      expect(reasons).toEqual(['license: MIT → Apache-2.0', 'format: onnx added']);
      expect(published.moved.uploaded).toBe(0);
    });

    test('of another branch are explained by the default branch, and found by what they are made of', async () => {
      await publish(config, store);
      writeFileSync(join(config.root, 'models/labels.txt'), 'other\n');
      expect((await publish(config, store, { branch: 'feature/x' })).reasons).toEqual(['models/labels.txt changed']);
      expect((await publish(config, store)).published.outcome).toBe('reused');
    });

    test('whose input manifest is gone, or belongs to another artifact, are made anew', async () => {
      const { published } = await publish(config, store);
      const { repository, fingerprint } = published;
      const other = await publish(withModels({ [model]: { files: ['models'] } }, { 'models/x.bin': 'x' }), store);
      const wrong = (await store.getManifest(repository, `inputs-${other.published.fingerprint}`))!;
      await store.putManifest(repository, `inputs-${fingerprint}`, wrong);
      const { reasons } = await publish(config, store);
      expect(reasons[0]).toContain('the saved image is broken');
      expect((await publish(config, store)).published).toMatchObject({ outcome: 'reused', digest: published.digest });
    });

    test('are made anew where that is forced, with the same bytes', async () => {
      const { published } = await publish(config, store, { version: '1.0.0' });
      const forced = await publish(config, store, { force: true, version: '2.0.0' });
      expect(forced.reasons).toEqual(['forced']);
      expect(forced.published).toMatchObject({ digest: published.digest, version: '1.0.0', moved: { uploaded: 0 } });
    });

    test('share a file with another model of the store', async () => {
      await publish(config, store);
      const other = `other${randomBytes(6).toString('hex')}`;
      const second = withModels({ [other]: { files: ['models'] } }, files);
      const { published } = await publish(second, store, { others: [`models/${model}`, `models/${other}`] });
      expect(published.moved).toMatchObject({ uploaded: 0, [sharing]: weights.length + 4 });
    });

    test('whose sources the store has are not fetched, on a machine that has nothing', async () => {
      const server = await startFaultyServer(weights);
      try {
        const sha256 = createHash('sha256').update(weights).digest('hex');
        again({ source: { url: server.url, sha256, as: 'net.bin' } });
        rmSync(join(config.root, 'models/yolo.bin'));
        await publish(config, store);
        expect(server.requests).toHaveLength(1);
        expect((await publish(config, store)).published.outcome).toBe('reused');
        // Another file changed: this one is still in the store.
        writeFileSync(join(config.root, 'models/labels.txt'), 'new\n');
        const { published } = await publish(config, store);
        expect(published.moved).toEqual({ uploaded: 4, mounted: 0, present: weights.length });
        expect(server.requests).toHaveLength(1);
      } finally {
        await server.close();
      }
    });

    test('are the same bytes from two folders and two caches', async () => {
      const { published } = await publish(config, store);
      const elsewhere = withModels({ [model]: { files: ['models'], license: 'MIT' } }, files);
      const second = await publish(elsewhere, store, { force: true });
      expect(second.published.digest).toBe(published.digest);
    });

    test('of two publishers at once are whole, and both name the same', async () => {
      const [one, two] = await Promise.all([publish(config, store), publish(config, store)]);
      expect(one.published.digest).toBe(two.published.digest);
      expect((await publish(config, store)).published).toMatchObject({ outcome: 'reused' });
    });

    test('that fetched files into the cache leave them whole there', async () => {
      const server = await startFaultyServer(weights);
      try {
        const sha256 = createHash('sha256').update(weights).digest('hex');
        again({ files: ['models/labels.txt'], source: { url: server.url, sha256, as: 'net.bin' } });
        const cache = newCache();
        await publish(config, store, { cache });
        const later = new BlobCache(cache.folder);
        // A folder shares the file and touches its times: it is known all the same, and not read again.
        expect(await (await later.hashes()).known(later.pathOf(sha256))).toMatchObject({ sha256 });
        const found = await later.find(sha256);
        expect(readFileSync(found!.file).equals(weights)).toBe(true);
        expect(found).toMatchObject({ size: weights.length });
      } finally {
        await server.close();
      }
    });
  });
}
