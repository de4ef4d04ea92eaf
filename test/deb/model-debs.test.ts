import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { checkDebs } from '../../src/deb/check.ts';
import { modelPackageName } from '../../src/deb/model-draft.ts';
import { listProject, packProject } from '../../src/project/debs.ts';
import { modelDebs } from '../../src/project/model-debs.ts';
import { bytesKnown } from '../../src/project/plan-packages.ts';
import { silent } from '../../src/progress.ts';
import { describeReason } from '../../src/report/reason.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { temporary } from '../model/support.ts';
import { deb, makeProject, parseProject } from './support/project.ts';

const sum = (text: string) => createHash('sha256').update(text).digest('hex');
const files = { 'models/yolo/labels.txt': 'cat\n', 'big/yolo.bin': 'weights', 'models/readme.txt': 'read me' };
const yolo = {
  files: ['models/yolo'],
  source: { path: 'big/yolo.bin', sha256: sum('weights') },
  license: 'Apache-2.0',
  targets: ['deb'],
};
const ccai = deb({ contents: [{ src: 'models/readme.txt', dst: '/opt/ccai/readme' }] });

let config: Config;
let env: NodeJS.ProcessEnv;
let store: LayoutStore;
beforeEach(() => {
  config = makeProject({ ccai }, files, { models: { yolo } });
  env = { PATH: process.env.PATH, XDG_CACHE_HOME: temporary('cache') };
  store = new LayoutStore(join(temporary('store'), 'store'));
});
const project = () => ({ config, store, lock: { version: 1, bases: {} } as never });
const options = () => ({
  only: undefined,
  frozen: true,
  env,
  progress: silent,
  signal: new AbortController().signal,
});
const pack = (version: string, only?: string[]) =>
  packProject(project(), { ...options(), only, version, directory: temporary('packed') });

describe('a model with the target deb', () => {
  test('is a package: its files below /opt/NAME/models/MODEL, its licence, the version of the release', async () => {
    const packed = await pack('1.0.0');
    expect(packed.map(({ name, version }) => `${name} ${version}`)).toEqual(['ccai 1.0.0', 'ccai-model-yolo 1.0.0']);
    const folder = temporary('unpacked');
    expect(spawnSync('dpkg-deb', ['-x', packed[1]!.file, folder]).status).toBe(0);
    expect(readFileSync(join(folder, 'opt/ccai/models/yolo/labels.txt'), 'utf8')).toBe('cat\n');
    expect(readFileSync(join(folder, 'opt/ccai/models/yolo/yolo.bin'), 'utf8')).toBe('weights');
    const copyright = readFileSync(join(folder, 'usr/share/doc/ccai-model-yolo/copyright'), 'utf8');
    expect(copyright).toContain('License: Apache-2.0');
    const { stdout } = spawnSync('dpkg-deb', ['-f', packed[1]!.file, 'Maintainer'], { encoding: 'utf8' });
    expect(stdout).toBe('Example Team <team@example.com>\n');
  });

  test('is reused while it is unchanged, and says which file is another', async () => {
    await pack('1.0.0');
    expect((await pack('1.1.0', ['ccai-model-yolo'])).map(({ version }) => version)).toEqual(['1.0.0']);
    writeFileSync(join(config.root, 'models/yolo/labels.txt'), 'dog\n');
    const { decided } = await listProject(project(), { ...options(), version: '1.1.0' });
    const reasons = [...decided.values()].flatMap(({ plan }) => (plan.action === 'make' ? plan.reasons : []));
    expect(reasons.map(describeReason)).toEqual(['models/yolo/labels.txt changed']);
    const packed = await pack('1.1.0');
    expect(packed.map(({ name, version }) => `${name} ${version}`)).toEqual(['ccai 1.0.0', 'ccai-model-yolo 1.1.0']);
  });

  test('has its files in one package alone, and no tree misses them', async () => {
    const check = async () =>
      checkDebs(config, undefined, { models: await modelDebs(project(), { ...options(), check: true }) });
    config = parseProject(config.root, { ccai: { ...ccai, tree: 'models' } }, { models: { yolo } });
    await check();
    await expect(checkDebs(config)).rejects.toThrow('models/yolo/labels.txt is in no package');
    const both = { ...ccai, tree: 'models', contents: [{ src: 'models', dst: '/opt/ccai/all' }] };
    config = parseProject(config.root, { ccai: both }, { models: { yolo } });
    await expect(check()).rejects.toThrow('models/yolo/labels.txt');
  });

  test('needs a maintainer, and a name that no other package has', async () => {
    config = parseProject(config.root, {}, { models: { yolo } });
    await expect(pack('1.0.0')).rejects.toThrow('its package has no maintainer');
    config = parseProject(config.root, { 'ccai-model-yolo': ccai }, { models: { yolo } });
    await expect(pack('1.0.0')).rejects.toThrow('ccai-model-yolo is declared twice');
  });

  test('is fetched only where its package is asked for', async () => {
    writeFileSync(join(config.root, 'big/yolo.bin'), 'others');
    expect((await pack('1.0.0', ['ccai'])).map(({ name }) => name)).toEqual(['ccai']);
    await expect(pack('1.0.0')).rejects.toThrow('is declared');
  });

  test('is listed without its files: nothing is fetched, nothing is converted', async () => {
    const gone = { url: 'http://127.0.0.1:1/net.bin', sha256: sum('net') };
    const convert = { command: ['false'], outputs: ['net.xml'] };
    config = parseProject(config.root, { ccai }, { models: { gone: { source: gone, convert, targets: ['deb'] } } });
    const { planned, decided } = await listProject(project(), { ...options(), version: '1.0.0' });
    expect(planned.map(({ name }) => name)).toEqual(['ccai', 'ccai-model-gone']);
    expect(decided.get(planned[1]!)?.plan.action).toBe('make');
    await expect(pack('1.0.0', ['ccai-model-gone'])).rejects.toThrow('127.0.0.1:1');
  });

  test('is neither fetched nor converted while it is unchanged, on a machine that has nothing of it', async () => {
    const marker = join(config.root, 'runs');
    const convert = {
      command: ['sh', '-c', `echo run >> ${marker}; cp "\${source}/yolo.bin" "\${output}/out.bin"`],
      outputs: ['out.bin'],
    };
    const converted = { source: yolo.source, convert, targets: ['deb'] };
    config = parseProject(config.root, { ccai }, { models: { yolo: converted } });
    const before = await pack('1.0.0');
    env = { ...env, XDG_CACHE_HOME: temporary('cache') };
    const after = await pack('1.1.0');
    expect(readFileSync(marker, 'utf8')).toBe('run\n');
    expect(after[1]).toMatchObject({ version: '1.0.0', sha256: before[1]!.sha256 });
  });

  describe('with split:', () => {
    const shards = Object.fromEntries(['1', '2', '3'].map((n) => [`models/big/${n}.bin`, n.repeat(700_000)]));
    const big = { files: ['models/big'], split: '1.5MB', targets: ['deb'] };
    const declare = (more: object = {}) =>
      (config = makeProject({ ccai }, { ...files, ...shards }, { models: { big: { ...big, ...more } } }));
    const names = (debs: readonly { name: string; version: string }[]) =>
      debs.map(({ name, version }) => `${name} ${version}`);
    const both = (version: string) => [`ccai-model-big ${version}`, `ccai-model-big-part2 ${version}`];
    const only = ['ccai-model-big'];

    test('is in parts that depend on each other in the exact version, which only packing tells', async () => {
      declare();
      const packed = await pack('1.0.0', only);
      expect(names(packed)).toEqual(both('1.0.0'));
      const field = (file: string, name: string) =>
        spawnSync('dpkg-deb', ['-f', file, name], { encoding: 'utf8' }).stdout.trim();
      expect(packed.map(({ file }) => field(file, 'Depends'))).toEqual([
        'ccai-model-big-part2 (= 1.0.0)',
        'ccai-model-big (= 1.0.0)',
      ]);
      const folder = temporary('unpacked');
      for (const { file } of packed) expect(spawnSync('dpkg-deb', ['-x', file, folder]).status).toBe(0);
      for (const [path, text] of Object.entries(shards)) {
        expect(readFileSync(join(folder, 'opt/ccai', path), 'utf8') === text).toBe(true);
      }
    });

    test('is reused whole, on a machine that has nothing of it, or packed whole', async () => {
      declare();
      const before = await pack('1.0.0', only);
      env = { ...env, XDG_CACHE_HOME: temporary('cache') };
      const after = await pack('1.1.0', only);
      expect(names(after)).toEqual(both('1.0.0'));
      expect(after.map(({ sha256 }) => sha256)).toEqual(before.map(({ sha256 }) => sha256));
      writeFileSync(join(config.root, 'models/big/3.bin'), 'other');
      expect(names(await pack('1.2.0', only))).toEqual(['ccai-model-big 1.2.0']);
      config = parseProject(config.root, { ccai }, { models: { big: { ...big, split: '1MB' } } });
      const reasons = [...(await listProject(project(), { ...options(), only, version: '1.3.0' })).decided.values()];
      expect(reasons.flatMap(({ plan }) => (plan.action === 'make' ? plan.reasons.map(describeReason) : []))).toEqual([
        'split: 1500000 → 1000000',
      ]);
    });

    test('is packed anew where the store has lost a part', async () => {
      declare();
      const [, second] = await pack('1.0.0', only);
      rmSync(store.blobPath(`sha256:${second!.sha256}`));
      const { decided } = await listProject(project(), { ...options(), only, version: '1.1.0' });
      expect([...decided.values()].map(({ plan }) => plan)).toMatchObject([
        { action: 'make', reasons: [{ detail: 'its part ccai-model-big-part2 is gone' }] },
      ]);
      expect(names(await pack('1.1.0', only))).toEqual(both('1.1.0'));
      expect(names(await pack('1.2.0', only))).toEqual(both('1.1.0'));
    });

    test('has no part with the name of another package', async () => {
      declare();
      const other = deb({ contents: [{ src: 'models/readme.txt', dst: '/opt/ccai/other' }] });
      config = parseProject(config.root, { 'ccai-model-big-part2': other }, { models: { big } });
      config.models[0]!.maintainer = 'A <a@example.com>';
      await expect(pack('1.0.0')).rejects.toMatchObject({
        message: expect.stringContaining('a part of ccai-model-big is called ccai-model-big-part2'),
        at: expect.objectContaining({ file: expect.stringContaining('imgbuild.yaml') }),
      });
    });
  });

  test('is packed with xz where a package of the project is for a Debian without zstd', async () => {
    const old = { ...ccai, suites: ['debian:11'] };
    const text = { 'models/text/a.txt': 'words and words\n'.repeat(400_000) };
    config = makeProject(
      { ccai: old },
      { ...files, ...text },
      {
        models: { text: { files: ['models/text'], targets: ['deb'] } },
      },
    );
    const [packed] = await pack('1.0.0', ['ccai-model-text']);
    expect(spawnSync('ar', ['t', packed!.file], { encoding: 'utf8' }).stdout).toContain('data.tar.xz');
    expect((await pack('1.1.0', ['ccai-model-text']))[0]!.version).toBe('1.0.0');
  });

  test('is listed with its files and their sizes where they are here, fetched or made', async () => {
    const listed = async () => {
      const { planned } = await listProject(project(), { ...options(), version: '1.0.0' });
      const { size, later } = planned.find(({ name }) => name === 'ccai-model-yolo')!;
      return { size, later: later?.known, bytes: bytesKnown({ size, later: later! }) };
    };
    const here = await listed();
    expect(here.later).toEqual([
      { path: 'labels.txt', size: 4 },
      { path: 'yolo.bin', size: 7 },
    ]);
    expect(here.bytes).toBe(here.size + 11);

    const convert = { command: ['cp', '${source}/yolo.bin', '${output}/out.bin'], outputs: ['out.bin'] };
    config = parseProject(config.root, { ccai }, { models: { yolo: { ...yolo, convert } } });
    expect(await listed()).toMatchObject({ later: undefined, bytes: null });
    await pack('1.0.0', ['ccai-model-yolo']);
    expect((await listed()).later).toEqual([{ path: 'out.bin', size: 7 }]);
  });

  test('has its folder for itself', async () => {
    const inside = deb({ contents: [{ src: 'models/readme.txt', dst: '/opt/ccai/models/yolo/readme' }] });
    config = parseProject(config.root, { ccai: inside }, { models: { yolo } });
    await expect(pack('1.0.0')).rejects.toThrow('lies in /opt/ccai/models/yolo, which is that of ccai-model-yolo');
  });

  test('has the maintainer that it names, else that of a debian/ folder', async () => {
    const maintainerOf = (file: string) =>
      spawnSync('dpkg-deb', ['-f', file, 'Maintainer'], { encoding: 'utf8' }).stdout.trim();
    const own = { ...yolo, maintainer: 'Model Team <models@example.com>' };
    config = parseProject(config.root, {}, { models: { yolo: own } });
    expect(maintainerOf((await pack('1.0.0'))[0]!.file)).toBe('Model Team <models@example.com>');

    const control =
      'Source: ccai\nMaintainer: Debian Team <debian@example.com>\n\nPackage: ccai-doc\nArchitecture: all\n';
    const folder = {
      'debian/control': `${control}Description: documents\n`,
      'debian/changelog': 'ccai (1.0) stable; urgency=low\n\n  * x\n\n -- A <a@b.c>  Mon, 01 Jan 2024 00:00:00 +0000\n',
      'debian/ccai-doc.install': 'models/readme.txt opt/ccai\n',
    };
    config = makeProject({ ccai: { from: 'debian' } }, { ...files, ...folder }, { models: { yolo } });
    const [packed] = await pack('1.0.0', ['ccai-model-yolo']);
    expect(maintainerOf(packed!.file)).toBe('Debian Team <debian@example.com>');

    config = parseProject(config.root, {}, { models: { yolo: { ...yolo, maintainer: 'nobody' } } });
    await expect(pack('1.0.0')).rejects.toMatchObject({ message: expect.stringContaining('"nobody"'), kind: 'input' });
  });
});

test('a model’s package has a name that dpkg takes', () => {
  expect(modelPackageName({ name: 'CCAI_x' }, 'a_b.c')).toBe('ccai-x-model-a-b.c');
});
