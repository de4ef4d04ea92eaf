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
    expect(reasons.map(describeReason)).toEqual(['yolo/labels.txt changed']);
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
});

test('a model’s package has a name that dpkg takes', () => {
  expect(modelPackageName({ name: 'CCAI_x' }, 'a_b.c')).toBe('ccai-x-model-a-b.c');
});
