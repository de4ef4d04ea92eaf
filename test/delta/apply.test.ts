import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { applyBundle } from '../../src/delta/apply/apply.ts';
import { makeDelta } from '../../src/delta/make.ts';
import type { DockerEngine, InspectedImage } from '../../src/image-source/docker-engine.ts';
import { openImages } from '../../src/image-source/open.ts';
import { hostPlatform } from '../../src/oci/platform.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { silent } from '../../src/progress.ts';
import { readTar } from '../../src/tar/extract.ts';
import { noise, sampleTar, writeOciArchive } from './sample-image.ts';

/** What an engine with containerd's store does with images, as far as it can be told without one. */
function fakeEngine(diffIdsOf: (config: Buffer) => Digest[]) {
  const images = new Map<string, InspectedImage>();
  const state = { failAfter: Infinity };
  const engine: DockerEngine = {
    address: 'fake:',
    info: async () => ({ dataRoot: '', store: 'containerd', version: 'fake' }),
    inspect: async (image) => images.get(image),
    list: async () => [...images.keys()],
    save: () => Promise.reject(new Error('not needed')),
    async load(archive) {
      const members = new Map<string, Buffer>();
      for await (const entry of readTar(archive)) {
        const parts: Buffer[] = [];
        for await (const chunk of entry.contents()) parts.push(chunk);
        members.set(entry.header.name, Buffer.concat(parts));
      }
      if (state.failAfter-- <= 0) throw new Error('no space left');
      const parse = (name: string) => JSON.parse(members.get(name)!.toString('utf8')) as never;
      const index = parse('index.json') as { manifests: { digest: Digest }[] };
      const id = index.manifests[0]!.digest;
      const manifest = parse(`blobs/sha256/${id.slice(7)}`) as { config: { digest: Digest } };
      const diffIds = diffIdsOf(members.get(`blobs/sha256/${manifest.config.digest.slice(7)}`)!);
      const known = images.get(id);
      images.set(id, known ?? { id, diffIds, tags: [], os: 'linux', architecture: 'amd64' });
      return [];
    },
    async tag(image, repository, tag) {
      images.get(image)!.tags.push(`${repository}:${tag}`);
    },
    async removeImage(image) {
      images.delete(image);
    },
    tryContainer: async () => {},
  };
  return { engine, images, state };
}

test('a release that is applied already is there after another attempt that fails', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'imgbuild-apply-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const options = { directory: folder, platform: hostPlatform(), store: () => Promise.reject(new Error('unused')) };
  const names = ['one', 'two'].map((name) => {
    const layer = sampleTar([{ name: 'file', bytes: noise(5000, name) }]);
    writeOciArchive(join(folder, `${name}.tar`), [layer], { reference: `${name}:1.0.0` });
    return `oci-archive:${name}.tar`;
  });
  const opened = await Promise.all(names.map((name) => openImages(name, options)));
  const path = join(folder, 'new.ota.tar');
  const signal = new AbortController().signal;
  const none = { name: 'none', images: [], close: async () => {} };
  const to = { name: '1.0.0', version: '1.0.0', images: opened.flatMap(({ images }) => images), close: none.close };
  await makeDelta({ from: none, to, output: path, name: 'app', progress: silent, signal });
  for (const set of opened) await set.close();

  const { engine, images, state } = fakeEngine((config) => {
    return (JSON.parse(config.toString('utf8')) as { rootfs: { diff_ids: Digest[] } }).rootfs.diff_ids;
  });
  const apply = () =>
    applyBundle({ path, trust: 'anyone', engine, state: join(folder, 'state'), progress: silent, signal });
  expect((await apply()).images.map(({ outcome }) => outcome)).toEqual(['loaded', 'loaded']);
  const before = structuredClone([...images.values()]);
  expect(before.map(({ tags }) => tags)).toEqual([['one:1.0.0'], ['two:1.0.0']]);
  expect(JSON.parse(readFileSync(join(folder, 'state/app/current'), 'utf8'))).toMatchObject({ version: '1.0.0' });

  state.failAfter = 1;
  await expect(apply()).rejects.toThrow('no space left');
  expect([...images.values()]).toEqual(before);
  state.failAfter = Infinity;
  expect((await apply()).images.map(({ outcome }) => outcome)).toEqual(['present', 'present']);
});
