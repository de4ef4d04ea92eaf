import { randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import { beforeAll, describe, expect, it } from 'vitest';
import { BrokenContent } from '../../src/oci/broken-content.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { mediaType } from '../../src/oci/media-type.ts';
import type { LayerStore } from '../../src/store/layer-store.ts';
import { layerTag } from '../../src/store/layer-tags.ts';
import { RegistryStore } from '../../src/store/registry.ts';
import { findSaved, lastSaved, readInputs, saveLayer } from '../../src/store/saved-layer.ts';
import { copyContent, repositoryOf } from '../../src/store/copy-image.ts';
import { blobOf, putImage, stored } from './content.ts';

export interface ContractOptions {
  /** What a blob that another repository has becomes: a folder shares all, a registry mounts. */
  sharing: 'present' | 'mounted';
  /** Whether a manifest under one repository is one of all repositories. */
  repositories: 'apart' | 'together';
}

/** What every LayerStore does. `open` gives a store that may be shared with other runs: repositories have names of their own. */
export function describeStore(
  name: string,
  open: () => Promise<LayerStore> | LayerStore,
  options: ContractOptions,
): void {
  describe(`store contract: ${name}`, () => {
    const own = `t${randomBytes(6).toString('hex')}`;
    const one = `${own}/one`;
    const two = `${own}/two`;
    let store: LayerStore;
    beforeAll(async () => {
      store = await open();
    });

    it('missing is not broken: undefined, false, empty', async () => {
      const digest = digestOf('never put');
      expect(await store.getManifest(one, 'nothing')).toBeUndefined();
      expect(await store.headManifest(one, 'nothing')).toBeUndefined();
      expect(await store.getManifest(one, digest)).toBeUndefined();
      expect(await store.hasBlob(one, digest)).toBe(false);
      expect(await store.listTags(one)).toEqual([]);
      await expect(store.openBlob(one, { digest, size: 9 })).rejects.toThrow();
    });

    it('a blob comes back as it was put, and is put once', async () => {
      const bytes = randomBytes(3_000_000);
      const blob = blobOf(bytes);
      expect(await store.putBlob(one, blob)).toEqual({ outcome: 'uploaded', bytes: blob.size });
      expect(await store.hasBlob(one, blob.digest)).toBe(true);
      expect(Buffer.compare(await buffer(await store.openBlob(one, blob)), bytes)).toBe(0);
      const untouched = { ...blob, open: () => expect.unreachable() };
      expect(await store.putBlob(one, untouched)).toEqual({ outcome: 'present' });
    });

    it('an empty blob and a blob of many megabytes', async () => {
      const empty = blobOf('');
      await store.putBlob(one, empty);
      expect(await buffer(await store.openBlob(one, empty))).toHaveLength(0);
      const large = blobOf(randomBytes(9_000_001));
      await store.putBlob(one, large);
      expect(digestOf(await buffer(await store.openBlob(one, large)))).toBe(large.digest);
    });

    it('a blob that is not what it is said to be is refused, and is not there afterwards', async () => {
      const said = blobOf('what it should be');
      for (const content of ['what it shoul', 'what it should be and more', 'What it should be']) {
        const lying = { ...said, open: () => Readable.from([Buffer.from(content)]) };
        await expect(store.putBlob(one, lying)).rejects.toThrow();
        expect(await store.hasBlob(one, said.digest)).toBe(false);
      }
      expect(await store.putBlob(one, said)).toMatchObject({ outcome: 'uploaded' });
    });

    it('a source that fails in the middle leaves nothing', async () => {
      const blob = blobOf(randomBytes(200_000));
      const failing = {
        ...blob,
        open: () =>
          Readable.from(
            (async function* () {
              yield Buffer.alloc(100_000);
              throw new Error('the disk is gone');
            })(),
          ),
      };
      await expect(store.putBlob(one, failing)).rejects.toThrow('the disk is gone');
      expect(await store.hasBlob(one, blob.digest)).toBe(false);
    });

    it('size and digest are checked while a blob is read', async () => {
      const blob = blobOf('some content');
      await store.putBlob(one, blob);
      const read = async (size: number) => buffer(await store.openBlob(one, { digest: blob.digest, size }));
      await expect(read(blob.size - 1)).rejects.toThrow(BrokenContent);
      await expect(read(blob.size + 1)).rejects.toThrow(BrokenContent);
    });

    it('a blob of another repository need not be sent again', async () => {
      const blob = blobOf(randomBytes(10_000));
      await store.putBlob(one, blob);
      const untouched = { ...blob, open: () => expect.unreachable() };
      const put = await store.putBlob(two, untouched, { mountFrom: [two, `${own}/never`, one] });
      expect(put.outcome).toBe(options.sharing);
      expect(await store.hasBlob(two, blob.digest)).toBe(true);
      if (store instanceof RegistryStore) {
        const mountFrom = [{ inRegistry: store.repositoryPath(one) }];
        expect(await store.putBlob(`${own}/three`, untouched, { mountFrom })).toMatchObject({ outcome: 'mounted' });
      }
      const unknown = blobOf(randomBytes(1000));
      expect(await store.putBlob(two, unknown, { mountFrom: [one] })).toMatchObject({ outcome: 'uploaded' });
    });

    it('a manifest under a tag is found by tag and digest, byte for byte', async () => {
      const image = await putImage(store, one, 'v1', ['a', 'b']);
      for (const reference of ['v1', image.descriptor.digest]) {
        const found = await store.getManifest(one, reference);
        expect(found?.descriptor).toEqual(image.descriptor);
        expect(Buffer.compare(found!.bytes, image.bytes)).toBe(0);
        expect(await store.headManifest(one, reference)).toEqual(image.descriptor);
      }
      const elsewhere = await store.getManifest(two, image.descriptor.digest);
      expect(elsewhere === undefined).toBe(options.repositories === 'apart');
      expect(await store.getManifest(two, 'v1')).toBeUndefined();
    });

    it('a manifest under its digest alone has no tag', async () => {
      const image = await putImage(store, `${own}/untagged`, undefined, ['c']);
      expect((await store.getManifest(`${own}/untagged`, image.descriptor.digest))?.descriptor).toEqual(
        image.descriptor,
      );
      expect(await store.listTags(`${own}/untagged`)).toEqual([]);
    });

    it('a tag moves', async () => {
      const first = await putImage(store, one, 'moving', ['d']);
      const second = await putImage(store, one, 'moving', ['e']);
      expect((await store.headManifest(one, 'moving'))?.digest).toBe(second.descriptor.digest);
      expect((await store.headManifest(one, first.descriptor.digest))?.digest).toBe(first.descriptor.digest);
    });

    it('an index of two platforms', async () => {
      const amd64 = await putImage(store, one, undefined, ['f']);
      const arm64 = await putImage(store, one, undefined, ['g']);
      const index = stored(
        {
          schemaVersion: 2,
          mediaType: mediaType.index,
          manifests: [
            { ...amd64.descriptor, platform: { os: 'linux', architecture: 'amd64' } },
            { ...arm64.descriptor, platform: { os: 'linux', architecture: 'arm64' } },
          ],
        },
        mediaType.index,
      );
      await store.putManifest(one, 'multi', index);
      expect((await store.getManifest(one, 'multi'))?.descriptor).toEqual(index.descriptor);
    });

    it('a manifest whose bytes are not those of its digest is refused', async () => {
      const image = await putImage(store, one, undefined, ['h']);
      const lying = { descriptor: image.descriptor, bytes: Buffer.concat([image.bytes, Buffer.from(' ')]) };
      await expect(store.putManifest(one, 'lying', lying)).rejects.toThrow(BrokenContent);
      await expect(store.putManifest(one, digestOf('other'), image)).rejects.toThrow(BrokenContent);
      expect(await store.getManifest(one, 'lying')).toBeUndefined();
    });

    it('a manifest that names a missing blob is refused', async () => {
      const missing = { mediaType: mediaType.layerTar, digest: digestOf('missing'), size: 7 };
      const config = blobOf('{}');
      await store.putBlob(one, config);
      const manifest = stored({
        schemaVersion: 2,
        mediaType: mediaType.manifest,
        config: { mediaType: mediaType.config, digest: config.digest, size: 2 },
        layers: [missing],
      });
      await expect(store.putManifest(one, 'dangling', manifest)).rejects.toThrow();
      expect(await store.getManifest(one, 'dangling')).toBeUndefined();
    });

    it('every tag is listed, sorted', async () => {
      const repository = `${own}/tags`;
      const image = await putImage(store, repository, 'x', ['i']);
      const tags = ['v1.0.0', 'latest', 'fp-1', '1.2', 'Zebra', '_under'];
      for (const tag of tags) await store.putManifest(repository, tag, image);
      expect(await store.listTags(repository)).toEqual([...tags, 'x'].toSorted());
      const repositories = await store.listRepositories();
      if (repositories !== undefined) expect(repositories).toContain(repository);
    });

    it('an aborted put leaves nothing', async () => {
      const blob = blobOf(randomBytes(500_000));
      const controller = new AbortController();
      const slow = {
        ...blob,
        open: () =>
          Readable.from(
            (async function* () {
              yield Buffer.alloc(1000);
              controller.abort(new Error('enough'));
              await new Promise((resolve) => setTimeout(resolve, 200));
              yield Buffer.alloc(1000);
            })(),
          ),
      };
      await expect(store.putBlob(one, slow, { signal: controller.signal })).rejects.toThrow();
      expect(await store.hasBlob(one, blob.digest)).toBe(false);
    });

    it('a saved layer is found by its fingerprint, with parents and inputs', async () => {
      const repository = `${own}/saved`;
      const fingerprint = randomBytes(32).toString('hex');
      const platform = { os: 'linux', architecture: 'amd64' };
      const parents = { base: digestOf('base') };
      const inputs = [{ kind: 'platform' as const, value: 'linux/amd64' }];
      expect(await findSaved(store, repository, fingerprint)).toEqual({ kind: 'missing' });
      const image = await putImage(store, repository, undefined, ['j']);
      const layer = { layer: 'saved', platform, fingerprint, image, parents, inputs, branch: 'feature/x' };
      expect(await saveLayer(store, repository, layer)).toMatchObject({ outcome: 'saved' });
      expect(await findSaved(store, repository, fingerprint)).toMatchObject({
        kind: 'saved',
        digest: image.descriptor.digest,
        parents,
      });
      expect(await readInputs(store, repository, fingerprint)).toEqual(inputs);
      expect(await lastSaved(store, repository, 'feature/x', platform)).toMatchObject({ fingerprint });

      const other = await putImage(store, repository, undefined, ['k']);
      await store.putManifest(repository, layerTag(fingerprint), other);
      expect(await findSaved(store, repository, fingerprint)).toMatchObject({ kind: 'broken' });
    });

    it('an image is copied to another repository by its manifest, without its layers', async () => {
      const image = await putImage(store, one, 'copied', ['l', 'm']);
      const copied = await copyContent(repositoryOf(store, one), image, store, `${own}/copy`, { mountFrom: [one] });
      await store.putManifest(`${own}/copy`, 'release', image);
      expect(copied.uploaded).toBe(0);
      expect((await store.getManifest(`${own}/copy`, 'release'))?.descriptor).toEqual(image.descriptor);
    });

    it('two writers at once of one blob and one tag do no harm', async () => {
      const contents = ['n', 'o'];
      const put = () => putImage(store, `${own}/both`, 'same', contents);
      const [first, second] = await Promise.all([put(), put()]);
      expect(first.descriptor).toEqual(second.descriptor);
      expect((await store.getManifest(`${own}/both`, 'same'))?.descriptor).toEqual(first.descriptor);
    });
  });
}
