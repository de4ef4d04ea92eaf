import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { findCompressors } from '../../src/deb/compressors.ts';
import { packDebs, type PackDebsOptions, type PackedDeb } from '../../src/deb/pack-debs.ts';
import { planDebs } from '../../src/deb/plan-debs.ts';
import { debRepository } from '../../src/deb/repository.ts';
import { planSavedDebs } from '../../src/deb/decide-debs.ts';
import type { SavedDebs } from '../../src/deb/saved-debs.ts';
import { FileHashes } from '../../src/files/file-hashes.ts';
import { isRepositoryPath } from '../../src/oci/reference.ts';
import { silent, type Progress } from '../../src/progress.ts';
import { describeReason } from '../../src/report/reason.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import type { LayerStore } from '../../src/store/layer-store.ts';
import { RegistryStore } from '../../src/store/registry.ts';
import { temporary } from '../model/support.ts';
import { startMemoryRegistry, type MemoryRegistry } from '../support/registry-memory.ts';
import { deb, makeProject, parseProject, serviceImages } from './support/project.ts';

let registry: MemoryRegistry;
let count = 0;
beforeAll(async () => {
  registry = await startMemoryRegistry();
});
afterAll(() => registry.close());

const files = {
  'models/yolo.bin': 'weights',
  'models/ocr.bin': 'letters',
  'docker/service/Dockerfile': 'FROM scratch',
};
const models = { contents: [{ src: 'models/yolo.bin', dst: '/opt/ccai/yolo.bin' }] };

test('what is saved in a registry is told as it goes, after the packing', async () => {
  const config = makeProject({ models: deb(models) }, files);
  const told: string[] = [];
  const transfer: Progress['transfer'] = (label, total) => {
    let bytes = 0;
    return {
      add: (more) => (bytes += more),
      end: () => told.push(`${label}: ${label.startsWith('saving') ? bytes === total : ''}`),
    };
  };
  await packDebs({
    config,
    version: '1.0.0',
    images: serviceImages,
    directory: temporary('packed'),
    progress: { ...silent, transfer },
    saved: {
      store: new RegistryStore(registry.host, `acme/p${count++}`, { credentials: async () => undefined }),
      branches: ['main'],
      version: '1.0.0',
      hashes: new FileHashes(join(config.root, '.hashes')),
      force: false,
    },
  });
  expect(told.filter((each) => /^(packing|saving)/.test(each))).toEqual([
    'packing models_1.0.0_all.deb: ',
    'saving models_1.0.0_all.deb: true',
  ]);
});

describe.each<[string, () => LayerStore]>([
  ['a folder', () => new LayoutStore(join(temporary('debs'), 'store'))],
  ['a registry', () => new RegistryStore(registry.host, `acme/p${count++}`, { credentials: async () => undefined })],
])('packages saved in %s', (_, open) => {
  let store: LayerStore;
  let config: Config;
  beforeEach(() => {
    store = open();
    config = makeProject({ models: deb(models) }, files);
  });
  const declare = (debs: object) => {
    config = parseProject(config.root, debs);
  };
  const savedFor = async (version: string | undefined, more: Partial<SavedDebs> = {}): Promise<SavedDebs> => ({
    store,
    branches: ['main'],
    version,
    hashes: new FileHashes(join(config.root, '.hashes')),
    force: false,
    ...more,
  });

  /** Packs a release; the names of the files that were packed, and not taken from the store. */
  async function release(
    version: string,
    more: Partial<SavedDebs> = {},
    options: Partial<PackDebsOptions> = {},
  ): Promise<{ packed: string[]; debs: PackedDeb[] }> {
    const packed: string[] = [];
    const transfer: Progress['transfer'] = (name, size) => {
      if (name.startsWith('packing ')) packed.push(name.slice('packing '.length));
      return silent.transfer(name, size);
    };
    const debs = await packDebs({
      config,
      version,
      images: serviceImages,
      directory: temporary('packed'),
      progress: { ...silent, transfer },
      saved: await savedFor(version, more),
      ...options,
    });
    return { packed, debs };
  }
  async function reasons(version: string, images = serviceImages): Promise<string[]> {
    const planned = await planDebs({ config, version, images, comparable: true });
    const decided = await planSavedDebs(planned, await savedFor(version), await findCompressors(planned), silent);
    return decided.flatMap(({ plan }) => (plan.action === 'reuse' ? [] : plan.reasons.map(describeReason)));
  }

  test('are reused by an unchanged release, which packs nothing: same version, same bytes', async () => {
    const first = await release('1.0.0');
    expect(first.packed).toEqual(['models_1.0.0_all.deb']);
    const second = await release('1.1.0', {}, { sourceDate: 1_800_000_000 });
    expect(second.packed).toEqual([]);
    const [before, after] = [first.debs[0]!, second.debs[0]!];
    expect({ ...after, file: '' }).toEqual({ ...before, file: '' });
    expect(after.version).toBe('1.0.0');
    expect(readFileSync(after.file).equals(readFileSync(before.file))).toBe(true);
  });

  test('that lie where they would go are left alone, and replaced where they are others', async () => {
    const directory = temporary('same-folder');
    const of = async (version: string) => (await release(version, {}, { directory })).debs[0]!;
    const { file } = await of('1.0.0');
    const before = readFileSync(file);
    const { ino } = statSync(file);
    expect((await of('1.1.0')).file).toBe(file);
    expect(statSync(file).ino).toBe(ino);
    writeFileSync(file, 'another');
    expect((await of('1.2.0')).file).toBe(file);
    expect(readFileSync(file).equals(before)).toBe(true);
    rmSync(file);
    expect((await of('1.3.0')).file).toBe(file);
    expect(readFileSync(file).equals(before)).toBe(true);
  });

  test('that are new to the store are read once: their sums come from the packing', async () => {
    writeFileSync(join(config.root, 'models/big.bin'), randomBytes(3_000_000));
    declare({ models: deb({ contents: [{ src: 'models', dst: '/opt/ccai' }] }) });
    const hashes = new FileHashes(join(config.root, '.hashes'));
    const of = vi.spyOn(hashes, 'of');
    expect((await release('1.0.0', { hashes })).packed).toEqual(['models_1.0.0_all.deb']);
    expect(of.mock.calls.map(([path]) => path)).toEqual([]);
    expect((await release('1.1.0', { hashes })).packed).toEqual([]);
    expect(of.mock.calls.map(([, name]) => name).toSorted()).toEqual([
      'models/big.bin',
      'models/ocr.bin',
      'models/yolo.bin',
    ]);
  });

  test('that lie where they stay are left alone by the next release, and nothing is kept of those that are moved', async () => {
    const hashes = new FileHashes(join(config.root, '.hashes'));
    const remember = vi.spyOn(hashes, 'remember');
    await release('1.0.0', { hashes }, { staged: true });
    await release('1.1.0', { hashes }, { staged: true });
    expect(remember).not.toHaveBeenCalled();
    const directory = temporary('lasting');
    const [first] = (await release('1.2.0', { hashes }, { directory })).debs;
    expect(remember.mock.calls.map(([path]) => path)).toEqual([first!.file]);
    await release('1.3.0', { hashes }, { directory });
    expect(remember).toHaveBeenCalledOnce();
  });

  test('of changed content are packed, with what changed by its name, and the others are reused', async () => {
    const ocr = { contents: [{ src: 'models/ocr.bin', dst: '/opt/ccai/ocr.bin' }] };
    declare({ models: deb(models), ocr: deb(ocr) });
    await release('1.0.0');
    writeFileSync(join(config.root, 'models/yolo.bin'), 'others');
    expect(await reasons('1.1.0')).toEqual(['models/yolo.bin changed']);
    const { packed, debs } = await release('1.1.0');
    expect(packed).toEqual(['models_1.1.0_all.deb']);
    expect(debs.map(({ name, version }) => [name, version])).toEqual([
      ['models', '1.1.0'],
      ['ocr', '1.0.0'],
    ]);
  });

  test.each<[string, object, string[]]>([
    ['a dependency', { depends: ['docker.io'] }, ['depends: docker.io added']],
    [
      'a description',
      { description: 'other files' },
      ['description: example files Part of ccai. → other files Part of ccai.'],
    ],
    ['a mode', { contents: [{ ...models.contents[0], mode: '0600' }] }, ['models/yolo.bin: mode 0644 → 0600']],
    ['a compression', { compression: 'zstd' }, ['compression: gzip → zstd']],
    [
      'an epoch of Debian’s',
      { version: '1:${version}' },
      ['/usr/share/doc/models/changelog.gz changed', 'version: 0.0.0 → 1:0.0.0'],
    ],
    [
      'a link',
      { contents: [...models.contents, { type: 'symlink', src: 'yolo.bin', dst: '/opt/ccai/a' }] },
      ['/opt/ccai/a: link to yolo.bin added'],
    ],
  ])('with %s that is another are packed anew', async (_what, more, expected) => {
    await release('1.0.0');
    declare({ models: deb({ ...models, ...more }) });
    expect((await reasons('1.1.0')).filter((reason) => !/lintian|zstd: /.test(reason))).toEqual(expected);
    expect((await release('1.1.0')).packed).toEqual(['models_1.1.0_all.deb']);
  });

  test('that start an image follow its digest, not its tag', async () => {
    declare({ ccai: deb({ service: 'service' }) });
    await release('1.0.0');
    const [image] = serviceImages;
    const images = (config_: typeof image) => ({ images: [config_!] });
    const tagged = { ...image!, reference: 'ghcr.io/acme/ccai/service_runtime:1.1.0' };
    expect((await release('1.1.0', {}, images(tagged))).packed).toEqual([]);
    const other = { ...tagged, config: `sha256:${'cd'.repeat(32)}` as const };
    expect(await reasons('1.1.0', [other])).toEqual(['parent service changed']);
    expect((await release('1.1.0', {}, images(other))).packed).toEqual(['ccai_1.1.0_amd64.deb']);
  });

  test('are packed anew where their content comes back after another, which devices may have', async () => {
    await release('1.0.0');
    writeFileSync(join(config.root, 'models/yolo.bin'), 'others');
    await release('1.1.0');
    writeFileSync(join(config.root, 'models/yolo.bin'), 'weights');
    expect(await reasons('1.2.0')).toEqual(['models/yolo.bin changed']);
    expect((await release('1.2.0')).packed).toEqual(['models_1.2.0_all.deb']);
    expect((await release('1.3.0')).debs[0]!.version).toBe('1.2.0');
  });

  test('of a release that is run again are those that it has, whatever was packed of the same inputs since', async () => {
    for (const name of ['a', 'b']) {
      writeFileSync(join(config.root, `models/${name}.bin`), Buffer.alloc(700_000, name));
    }
    declare({ models: deb({ split: '1MB', contents: [{ src: 'models/?.bin', dst: '/opt/ccai' }] }) });
    const sums = (debs: readonly PackedDeb[]) => debs.map(({ sha256 }) => sha256);
    const again = (debs: readonly PackedDeb[]) => ({ branches: [], inRelease: new Set(sums(debs)) });
    const first = await release('1.0.0');
    const second = await release('1.1.0', { force: true });
    const third = await release('1.2.0', { force: true });
    expect(new Set([first, second, third].flatMap(({ debs }) => sums(debs))).size).toBe(6);
    for (const [version, { debs }] of [
      ['1.0.0', first],
      ['1.1.0', second],
      ['1.2.0', third],
    ] as const) {
      const taken = await release(version, again(debs));
      expect(taken.packed).toEqual([]);
      expect(taken.debs.map(({ version: own, file }) => [own, basename(file)])).toEqual(
        debs.map(({ version: own, file }) => [own, basename(file)]),
      );
      expect(sums(taken.debs)).toEqual(sums(debs));
      for (const [index, { file }] of taken.debs.entries()) {
        expect(readFileSync(file).equals(readFileSync(debs[index]!.file))).toBe(true);
      }
    }
    expect((await release('1.3.0')).debs.map(({ version }) => version)).toEqual(['1.2.0', '1.2.0']);
  });

  test('are not of a version that is newer than the release', async () => {
    await release('2.0.0');
    expect(await reasons('1.9.0')).toEqual(['what was saved has the newer version 2.0.0']);
    expect((await release('1.9.0')).debs[0]!.version).toBe('1.9.0');
  });

  test('are packed anew where another package needs them in the version of the release', async () => {
    declare({
      models: deb(models),
      ccai: deb({ depends: ['models (= ${version})'], contents: [{ src: 'models/ocr.bin', dst: '/opt/ccai/ocr' }] }),
    });
    await release('1.0.0');
    expect(await reasons('1.1.0')).toEqual(
      expect.arrayContaining(['ccai needs version 1.1.0', 'depends: models … 1.0.0) → … 1.1.0)']),
    );
    expect((await release('1.1.0')).debs.map(({ version }) => version)).toEqual(['1.1.0', '1.1.0']);
  });

  test('in parts are reused or packed together', async () => {
    for (const name of ['a', 'b']) {
      writeFileSync(join(config.root, `models/${name}.bin`), Buffer.alloc(700_000, name));
    }
    declare({ models: deb({ split: '1MB', contents: [{ src: 'models/?.bin', dst: '/opt/ccai' }] }) });
    expect((await release('1.0.0')).packed).toHaveLength(2);
    expect((await release('1.1.0')).packed).toEqual([]);
    writeFileSync(join(config.root, 'models/b.bin'), Buffer.alloc(700_000, 'c'));
    const { debs } = await release('1.2.0');
    expect(debs.map(({ name, version }) => `${name} ${version}`)).toEqual(['models 1.2.0', 'models-part2 1.2.0']);
  });

  test('are packed anew with force, and kept for later', async () => {
    await release('1.0.0');
    expect((await release('1.1.0', { force: true })).packed).toEqual(['models_1.1.0_all.deb']);
    expect((await release('1.2.0')).debs[0]!.version).toBe('1.1.0');
  });

  test('are not saved for no release', async () => {
    await release('0.0.0-dev', { version: undefined });
    expect((await release('1.0.0')).packed).toEqual(['models_1.0.0_all.deb']);
    expect((await release('0.0.0-dev', { version: undefined })).debs[0]!.version).toBe('1.0.0');
  });

  test('that are damaged are packed again', async () => {
    const { debs } = await release('1.0.0');
    if (!(store instanceof LayoutStore)) return;
    const blob = store.blobPath(`sha256:${debs[0]!.sha256}`);
    truncateSync(blob, 10);
    expect((await release('1.1.0')).packed).toEqual(['models_1.1.0_all.deb']);
    rmSync(blob, { force: true });
    expect((await release('1.2.0')).debs[0]!.version).toBe('1.1.0');
  });
});

test('a package’s repository is one that registries take, and is no other package’s', () => {
  const names = ['ccai', 'libstdc++6', 'a..b', 'a.-b', 'a-', 'g++', 'g--', 'python3.12'];
  const repositories = names.map(debRepository);
  for (const each of repositories) expect(isRepositoryPath(each), each).toBe(true);
  expect(new Set(repositories).size).toBe(names.length);
  expect(repositories.slice(0, 2)).toEqual(['debs/ccai', 'debs/libstdc_2b_2b6']);
});
