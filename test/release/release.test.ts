import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Failure } from '../../src/failure.ts';
import type { ImageIndex } from '../../src/oci/manifest.ts';
import { makeRelease } from '../../src/release/release.ts';
import { formatRelease, parseRelease, releaseSchemaJson } from '../../src/release/release-json.ts';
import { listReleases, readRelease, yankRelease } from '../../src/release/release-store.ts';
import type { LayerStore } from '../../src/store/layer-store.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { snapshot, TestProject } from './setup.ts';

let folder: string;
let store: LayoutStore;
let project: TestProject;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imgbuild-release-'));
  store = new LayoutStore(folder, 'oci:store');
  project = new TestProject(store);
});
afterEach(() => rm(folder, { recursive: true }));

const digestAt = async (repository: string, tag: string) => (await store.headManifest(repository, tag))?.digest;
const release = (version: string, over = {}) => makeRelease(project.request(version, over));

/** Writes down every blob and manifest that is asked for or put. */
function watched(inner: LayerStore): { store: LayerStore; log: string[] } {
  const log: string[] = [];
  const proxy = new Proxy(inner, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        const subject = args[1] as { digest?: string } | string | undefined;
        log.push(`${String(property)} ${String(args[0])} ${typeof subject === 'string' ? subject : subject?.digest}`);
        return (value as (...all: unknown[]) => unknown).apply(target, args);
      };
    },
  });
  return { store: proxy, log };
}

describe('a first release', () => {
  test('builds the chain, puts version and aliases on the images that no other stands on, and commits', async () => {
    const result = await release('v1.2.0');
    expect(result).toMatchObject({ outcome: 'released', version: '1.2.0', previous: null });
    expect(project.built).toEqual(['base linux/amd64', 'engine linux/amd64', 'service linux/amd64']);
    expect((await store.listTags('runtime')).filter((tag) => !/^(fp|inputs)-/.test(tag))).toEqual([
      '1',
      '1.2',
      '1.2.0',
      'edge',
      'latest',
    ]);
    expect((await store.listTags('runtime_base')).filter((tag) => !/^(fp|inputs)-/.test(tag))).toEqual([]);
    expect(await store.listTags('releases')).toEqual(['1.2.0']);
    const stored = (await readRelease(store, '1.2.0'))!.release;
    expect(stored).toEqual(result.release);
    expect(stored).toMatchObject({
      schema: 1,
      name: 'ccai',
      version: '1.2.0',
      previous: null,
      revision: 'a'.repeat(40),
      images: [
        {
          layer: 'service',
          image: 'runtime:edge',
          repository: 'runtime',
          platform: 'linux/amd64',
          digest: await digestAt('runtime', '1.2.0'),
          index: null,
          diffIds: [expect.stringMatching(/^sha256:/)],
        },
      ],
      debs: [{ file: 'ccai_service_amd64.deb', size: 4 }],
    });
    expect(stored.fingerprints.map(({ layer }) => layer)).toEqual(['base', 'engine', 'service']);
  });

  test('with release: true in a layer has that one alone', async () => {
    project.configText = project.configText.replace('image: runtime_engine', 'image: runtime_engine, release: true');
    const { release: made } = await release('1.0.0');
    expect(made!.images.map(({ layer }) => layer)).toEqual(['engine']);
  });

  test('of two platforms stands on an index that is made at push', async () => {
    project.platforms = ['linux/arm64', 'linux/amd64'];
    const { release: made } = await release('1.0.0');
    const manifest = (await store.getManifest('runtime', '1.0.0'))!;
    const index = JSON.parse(Buffer.from(manifest.bytes).toString()) as ImageIndex;
    expect(index.manifests.map(({ platform }) => platform!.architecture)).toEqual(['amd64', 'arm64']);
    expect(new Set(made!.images.map((image) => image.index))).toEqual(new Set([manifest.descriptor.digest]));
    expect(new Set(made!.images.map((image) => image.digest))).toEqual(
      new Set(index.manifests.map(({ digest }) => digest)),
    );
  });

  test('of two released layers in one repository is refused before anything is built', async () => {
    project.configText = project.configText
      .replace('image: runtime_engine', 'image: "runtime:old", release: true')
      .replace('"runtime:edge"', '"runtime:edge", release: true');
    await expect(release('1.0.0')).rejects.toMatchObject({ kind: 'input', because: expect.stringContaining('share') });
    expect(await snapshot(folder)).toEqual({});
  });
});

describe('the same release again', () => {
  test('changes nothing', async () => {
    await release('1.2.0');
    const before = await snapshot(folder);
    project.built = [];
    const again = await release('1.2.0', { revision: 'b'.repeat(40) });
    expect(again).toMatchObject({ outcome: 'unchanged', tags: [] });
    expect(again.release!.revision).toBe('a'.repeat(40));
    expect(project.built).toEqual([]);
    expect(await snapshot(folder)).toEqual(before);
  });

  test('with a layer of other inputs is refused with no tag touched and nothing built', async () => {
    await release('1.2.0');
    const before = await snapshot(folder);
    project.built = [];
    project.inputs.base = 'b2';
    await expect(release('1.2.0')).rejects.toMatchObject({
      kind: 'input',
      because: 'oci:store has 1.2.0 with other content: service (linux/amd64) has other inputs',
    });
    expect(project.built).toEqual([]);
    expect(await snapshot(folder)).toEqual(before);
  });

  test.each([
    ['a package with other bytes', { 'ccai_service_amd64.deb': 'x' }, 'ccai_service_amd64.deb has other bytes'],
    ['a package less', {}, 'ccai_service_amd64.deb is no part of it any more'],
    ['a package more', { 'ccai_service_amd64.deb': 'unit', 'b_1_all.deb': '' }, 'b_1_all.deb is new'],
  ])('with %s is refused with no tag touched', async (_, debs, because) => {
    await release('1.2.0');
    const before = await snapshot(folder);
    project.debs = debs as Record<string, string>;
    await expect(release('1.2.0')).rejects.toThrow(because);
    expect(await snapshot(folder)).toEqual(before);
  });

  test('with another platform, or another model, is refused', async () => {
    await release('1.2.0');
    project.models = { ocr: 'weights' };
    await expect(release('1.2.0')).rejects.toThrow('model ocr is new');
    project.models = {};
    project.platforms = ['linux/arm64'];
    await expect(release('1.2.0')).rejects.toThrow(
      'service (linux/amd64) is no part of it any more; service (linux/arm64) is new',
    );
  });
});

test('1. an unchanged tree under a new version builds nothing and moves no filesystem-layer byte', async () => {
  await release('1.2.0');
  const old = (await readRelease(store, '1.2.0'))!.release;
  project.built = [];
  const { store: observed, log } = watched(store);
  const request = { ...project.request('1.2.1'), store: observed };
  const result = await makeRelease(request);
  expect(result.outcome).toBe('released');
  expect(result.previous).toBe('1.2.0');
  expect(project.built).toEqual([]);
  expect(await digestAt('runtime', '1.2.1')).toBe(old.images[0]!.digest);
  expect(await digestAt('runtime', '1.2.0')).toBe(old.images[0]!.digest);
  const layerBlob = old.images[0]!.diffIds[0]!;
  expect(log.filter((line) => line.includes(layerBlob))).toEqual([]);
  // Of blobs, only the image's config is read, and only release.json and the empty config are put.
  expect(log.filter((line) => line.startsWith('openBlob runtime'))).toEqual([
    `openBlob runtime ${old.images[0]!.config}`,
  ]);
  expect(log.filter((line) => line.startsWith('putBlob')).every((line) => line.startsWith('putBlob releases'))).toBe(
    true,
  );
});

describe('a release that broke off', () => {
  for (const stage of ['packDebs', 'models'] as const) {
    test(`in ${stage} is no release, and is taken up where it ended`, async () => {
      const failing = project.steps({
        [stage]: async () => {
          throw new Failure({ doing: 'x', because: 'power cut' });
        },
      });
      await expect(release('1.0.0', { steps: failing })).rejects.toThrow('power cut');
      expect(await listReleases(store)).toEqual([]);
      // Tags that move are not there yet: nobody is led to a release that is none.
      expect(await digestAt('runtime', 'latest')).toBeUndefined();
      project.built = [];
      expect((await release('1.0.0')).outcome).toBe('released');
      expect(project.built).toEqual([]);
    });
  }

  test('before its commit may be made with other content', async () => {
    const failing = project.steps({
      packDebs: () => Promise.reject(new Failure({ doing: 'x', because: 'power cut' })),
    });
    await expect(release('1.0.0', { steps: failing })).rejects.toThrow('power cut');
    project.inputs.service = 's2';
    const { release: made } = await release('1.0.0');
    expect(await digestAt('runtime', '1.0.0')).toBe(made!.images[0]!.digest);
  });

  test('with release.json as the very last thing that is put', async () => {
    const { store: observed, log } = watched(store);
    const steps = new TestProject(observed).steps();
    await makeRelease({ ...project.request('1.0.0'), store: observed, steps });
    const puts = log.filter((line) => line.startsWith('putManifest'));
    expect(puts.at(-1)).toBe('putManifest releases 1.0.0');
  });

  test('that somebody else made meanwhile with other content says so', async () => {
    const other = new TestProject(store);
    other.inputs.service = 'other';
    const steps = project.steps({
      models: async () => {
        await makeRelease(other.request('1.0.0'));
        return [];
      },
    });
    await expect(release('1.0.0', { steps })).rejects.toThrow('somebody else released other content');
    const { release: kept } = (await readRelease(store, '1.0.0'))!;
    expect(kept.images[0]!.fingerprint).toBe((await other.plan()).layers.at(-1)!.fingerprint);
  });

  test('by Ctrl-C after the build leaves no release', async () => {
    const interrupt = new AbortController();
    const steps = project.steps({
      build: async (plan) => {
        const digests = await project.build(plan);
        interrupt.abort(new Error('stopped'));
        return digests;
      },
    });
    await expect(release('1.0.0', { steps, signal: interrupt.signal })).rejects.toThrow('stopped');
    expect(await listReleases(store)).toEqual([]);
    expect(await digestAt('runtime', '1.0.0')).toBeUndefined();
  });
});

describe('tags that move', () => {
  test('stay on the newest of their line', async () => {
    for (const version of ['1.0.0', '2.0.0']) {
      project.inputs.service = version;
      await release(version);
    }
    const two = await digestAt('runtime', '2.0.0');
    project.inputs.service = '1.0.1';
    const { tags } = await release('1.0.1');
    expect(tags.map(({ reference }) => reference)).toEqual([
      'oci:store/runtime:1.0.1',
      'oci:store/runtime:1.0',
      'oci:store/runtime:1',
    ]);
    expect(await digestAt('runtime', 'latest')).toBe(two);
    expect(await digestAt('runtime', 'edge')).toBe(two);
    expect(await digestAt('runtime', '1')).toBe(await digestAt('runtime', '1.0.1'));
  });

  test('are not touched by a pre-release', async () => {
    const { tags } = await release('1.0.0-rc.1');
    expect(tags.map(({ reference }) => reference)).toEqual(['oci:store/runtime:1.0.0-rc.1']);
  });

  test('a version with build metadata has _ for + in its tags', async () => {
    await release('1.0.0+b5');
    expect(await store.listTags('releases')).toEqual(['1.0.0_b5']);
    expect(await listReleases(store)).toEqual([{ version: '1.0.0+b5', yanked: false }]);
    expect(await digestAt('runtime', '1.0.0_b5')).toBeDefined();
  });
});

describe('yank', () => {
  test('keeps the release and takes it out of what comes next', async () => {
    for (const version of ['1.0.0', '1.1.0']) {
      project.inputs.service = version;
      await release(version);
    }
    const before = (await store.getManifest('releases', '1.1.0'))!.descriptor.digest;
    expect(await yankRelease(store, '1.1.0')).toBe(true);
    expect(await yankRelease(store, '1.1.0')).toBe(false);
    expect(await store.listTags('releases')).toEqual(['1.0.0', '1.1.0', 'yanked-1.1.0']);
    expect((await store.getManifest('releases', '1.1.0'))!.descriptor.digest).toBe(before);
    expect(await listReleases(store)).toEqual([
      { version: '1.0.0', yanked: false },
      { version: '1.1.0', yanked: true },
    ]);
    expect((await release('1.2.0')).previous).toBe('1.0.0');
  });

  test('of no release names those there are', async () => {
    await expect(yankRelease(store, '1.0.0')).rejects.toMatchObject({ kind: 'input' });
    await release('1.0.0');
    await expect(yankRelease(store, '1.0.1')).rejects.toMatchObject({ fix: 'it has 1.0.0' });
  });
});

describe('previous', () => {
  test('may be named, and must be there', async () => {
    for (const version of ['1.0.0', '1.1.0']) {
      project.inputs.service = version;
      await release(version);
    }
    await expect(release('1.2.0', { previous: '1.0.5' })).rejects.toMatchObject({
      kind: 'input',
      fix: 'it has 1.0.0, 1.1.0',
    });
    expect((await release('1.2.0', { previous: 'v1.0.0' })).previous).toBe('1.0.0');
  });

  test('and the two releases below are what deltas are made from; not a yanked one', async () => {
    for (const version of ['1.0.0', '1.0.1', '1.0.2', '1.0.3', '1.0.4']) {
      project.inputs.service = version;
      await release(version);
    }
    await yankRelease(store, '1.0.3');
    project.inputs.service = 's2';
    const delta = {
      from: '1.0.0',
      to: '1.1.0',
      platform: 'linux/amd64',
      file: 'ccai_1.0.0_1.1.0_linux-amd64.ota.tar',
      size: 1,
      sha256: '0'.repeat(64),
    };
    const seen: string[] = [];
    const steps = project.steps({
      deltas: async (to, from) => {
        seen.push(...from.map(({ version }) => `${version} → ${to.version}`));
        return [delta];
      },
    });
    expect((await release('1.1.0', { steps })).release!.deltas).toEqual([delta]);
    expect(seen).toEqual(['1.0.4 → 1.1.0', '1.0.2 → 1.1.0', '1.0.1 → 1.1.0']);
  });
});

test('--dry-run says what would happen and writes nothing', async () => {
  await release('1.0.0');
  const before = await snapshot(folder);
  project.inputs.service = 's2';
  project.built = [];
  const result = await release('1.1.0', { dryRun: true });
  expect(result).toMatchObject({ outcome: 'dry-run', previous: '1.0.0', release: null });
  expect(result.plan.layers.filter(({ action }) => action === 'build').map(({ name }) => name)).toEqual(['service']);
  expect(result.tags.map(({ reference }) => reference)).toEqual(
    ['1.1.0', '1.1', '1', 'latest', 'edge'].map((tag) => `oci:store/runtime:${tag}`),
  );
  expect(project.built).toEqual([]);
  expect(await snapshot(folder)).toEqual(before);
});

test('release.json keeps its bytes, and its schema is the published one', async () => {
  const { release: made } = await release('1.0.0');
  expect(parseRelease(formatRelease(made!))).toEqual(made);
  expect(Buffer.from(formatRelease(parseRelease(formatRelease(made!)))).toString()).toBe(
    Buffer.from(formatRelease(made!)).toString(),
  );
  for (const broken of ['', '{}', '{"schema":2}', JSON.stringify({ ...made, images: [{}] })]) {
    expect(() => parseRelease(Buffer.from(broken))).toThrow(RangeError);
  }
  const { readFile } = await import('node:fs/promises');
  const file = new URL('../../docs/schema/release.schema.json', import.meta.url);
  expect(await readFile(file, 'utf8'), 'run: npm run generate').toBe(releaseSchemaJson());
});

test('a release whose artifact is damaged is an error, not a missing release', async () => {
  await release('1.0.0');
  const { manifest } = (await readRelease(store, '1.0.0'))!;
  const document = (JSON.parse(Buffer.from(manifest.bytes).toString()) as { layers: { digest: `sha256:${string}` }[] })
    .layers[0]!;
  await rm(store.blobPath(document.digest));
  await expect(readRelease(store, '1.0.0')).rejects.toBeInstanceOf(Failure);
  await expect(release('1.0.0')).rejects.toBeInstanceOf(Failure);
});
