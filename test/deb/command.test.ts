import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { imageReference } from '../../src/project/saved-images.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { saveLayer } from '../../src/store/saved-layer.ts';
import { putImage } from '../store/content.ts';
import { deb, makeProject } from './support/project.ts';

const main = resolve(import.meta.dirname, '../../src/cli/main.ts');
let config: Config;
const imgbuild = (...args: string[]) =>
  spawnSync(process.execPath, [main, '-C', config.root, ...args], {
    encoding: 'utf8',
    env: { ...process.env, SOURCE_DATE_EPOCH: '1600000000', NO_COLOR: '1' },
  });
const json = (...args: string[]) => {
  const { stdout, stderr, status } = imgbuild(...args, '--json');
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout) as {
    schema: 1;
    packages: { name: string; file: string; version: string; sha256: string }[];
  };
};

beforeAll(() => {
  config = makeProject(
    {
      ccai: deb({ service: 'service', architecture: 'amd64' }),
      'ccai-models': deb({ contents: [{ src: 'models/*.bin', dst: '/opt/ccai/models' }] }),
    },
    { 'docker/service/Dockerfile': 'FROM scratch\nCOPY app /\n', 'docker/service/app': '1', 'models/a.bin': 'weights' },
    { platforms: ['linux/amd64'] },
  );
});

describe('imgbuild debs', () => {
  test('packs what needs no image, into .imgbuild/debs, which git does not see', () => {
    const result = imgbuild('debs', 'ccai-models');
    expect(result).toMatchObject({ status: 0, stderr: expect.any(String) });
    expect(result.stdout).toMatch(
      /^\.imgbuild\/debs\/ccai-models_0\.0\.0~dev_all\.deb {2}.* {2}sha256:[0-9a-f]{64}\n$/,
    );
    expect(existsSync(join(config.root, '.imgbuild/debs/ccai-models_0.0.0~dev_all.deb'))).toBe(true);
    expect(readFileSync(join(config.root, '.imgbuild/.gitignore'), 'utf8')).toBe('*\n');
  });

  test('says what to build when the image of a service is not saved, and packs nothing', () => {
    const result = imgbuild('debs', '--version', '1.0.0', '-o', 'out');
    expect(result.status).toBe(1);
    expect(result.stderr).toContain('imgbuild build service');
    expect(existsSync(join(config.root, 'out'))).toBe(false);
  });

  test('names the image that the store has for the tree as it is', async () => {
    const plan = JSON.parse(imgbuild('plan', '--json').stdout) as Plan;
    const { fingerprint, repository } = plan.layers[0]!;
    const store = new LayoutStore(join(config.root, '.imgbuild/store'));
    const image = await putImage(store, repository, undefined, ['app']);
    const platform = { os: 'linux', architecture: 'amd64' };
    await saveLayer(store, repository, { layer: 'service', platform, fingerprint, image, parents: {}, inputs: [] });

    const { packages } = json('debs', '--version', 'v1.0.0+7', '-o', 'out');
    expect(packages.map(({ name, version }) => [name, version])).toEqual([
      ['ccai', '1.0.0+7'],
      ['ccai-models', '1.0.0+7'],
    ]);
    const folder = join(config.root, 'unpacked');
    spawnSync('dpkg-deb', ['-x', packages[0]!.file, folder]);
    expect(readFileSync(join(folder, 'opt/ccai/docker_image'), 'utf8')).toBe(`${image.config.digest}\n`);
    expect(readFileSync(join(folder, 'opt/ccai/docker_image_tag'), 'utf8')).toBe('service_runtime:1.0.0_7\n');
    expect(json('debs', '--version', '1.0.0+7', '-o', 'again').packages.map(({ sha256 }) => sha256)).toEqual(
      packages.map(({ sha256 }) => sha256),
    );
    writeFileSync(join(config.root, 'docker/service/app'), '2');
    expect(imgbuild('debs', 'ccai').stderr).toContain('not saved as it is declared now');
  });

  test('packs nothing that is unchanged, says so before, and packs it anew with --force', () => {
    const list = (...more: string[]) => json('debs', 'ccai-models', '--version', '1.1.0', '--list', ...more).packages;
    expect(list()).toMatchObject([{ action: 'reuse', reused: '1.0.0+7', reasons: [] }]);
    expect(list('--force')).toMatchObject([{ action: 'pack', reasons: [{ kind: 'forced' }] }]);
    const pack = (...more: string[]) => json('debs', 'ccai-models', '--version', '1.1.0', '-o', 'next', ...more);
    expect(pack().packages).toMatchObject([{ version: '1.0.0+7' }]);
    writeFileSync(join(config.root, 'models/a.bin'), 'other weights');
    expect(imgbuild('debs', 'ccai-models', '--version', '1.1.0', '--list').stdout).toMatch(
      / all: .*\n {5}pack: models\/a\.bin changed\n$/,
    );
    expect(pack().packages).toMatchObject([{ version: '1.1.0' }]);
    expect(json('debs', 'ccai-models', '--version', '1.2.0', '-o', 'next', '--force').packages).toMatchObject([
      { version: '1.2.0' },
    ]);
  }, 180_000);

  test('--list and --check need no image and write nothing', () => {
    expect(imgbuild('debs', '--list').stdout).toMatch(
      /^on {3}ccai 0\.0\.0~dev amd64: \d+ files, .*, runs service\n {5}pack: the image of service is not saved as it is declared now\non {3}ccai-models 0\.0\.0~dev all: \d+ files, .*\n {5}reuse: unchanged since 1\.2\.0\n$/,
    );
    expect(imgbuild('debs', '--check').stdout).toBe('2 packages: every pattern matches, every path has one owner\n');
    renameSync(join(config.root, 'models/a.bin'), join(config.root, 'models/a.onnx'));
    const result = imgbuild('debs', '--check');
    expect(result.status).toBe(2);
    expect(result.stderr).toContain('models/*.bin');
    expect(result.stderr).toContain('the nearest is models/a.onnx');
    renameSync(join(config.root, 'models/a.onnx'), join(config.root, 'models/a.bin'));
  });

  test.each([
    [['debs', 'ccai-model'], 2, 'did you mean ccai-models?'],
    [['debs', 'ccai-models', '--version', 'latest'], 2, 'MAJOR.MINOR.PATCH'],
    [['debs', 'ccai-models', '-o', 'models/a.bin'], 1, 'a file is in the way'],
  ])('%j exits with %i and says %s', (args, status, message) => {
    const result = imgbuild(...args);
    expect(result.stderr).toContain(message);
    expect(result.status).toBe(status);
  });
});

test('an image is named as it is pulled, or as a folder’s release is loaded', () => {
  expect(imageReference({ kind: 'folder', path: '/s', text: './s' }, 'app/service', 'v1.0.0-rc.1+2')).toBe(
    'app/service:1.0.0-rc.1_2',
  );
  expect(imageReference({ kind: 'registry', registry: 'ghcr.io', path: 'acme/ccai' }, 'service', '1.0.0')).toBe(
    'ghcr.io/acme/ccai/service:1.0.0',
  );
});
