import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { checkDebs } from '../../src/deb/check.ts';
import { modelPackageName } from '../../src/deb/model-draft.ts';
import { listProject, packProject } from '../../src/project/debs.ts';
import { modelDebs } from '../../src/project/model-debs.ts';
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
