import {
  createReadStream,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { buildDeviceProgram, goProgram } from '../../scripts/device.ts';
import type { PackedDeb, ServiceImage } from '../../src/deb/pack-debs.ts';
import { makeDelta } from '../../src/delta/make.ts';
import type { ImageSet } from '../../src/image-source/image.ts';
import { nothing } from '../../src/image-source/nothing.ts';
import { openImages } from '../../src/image-source/open.ts';
import { hostPlatform } from '../../src/oci/platform.ts';
import { run, runChecked, type RunResult } from '../../src/process/run.ts';
import { silent } from '../../src/progress.ts';
import { deb, makeProject } from '../deb/support/project.ts';
import { pack } from '../deb/support/pack.ts';
import { noise, sampleTar, writeDockerArchive, writeOciArchive } from '../delta/sample-image.ts';

const offered = inject('engines').current;
const go = await goProgram();
const folder = mkdtempSync(join(tmpdir(), 'imgbuild-packages-'));
const root = join(folder, 'root');
const environment = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };
const inRoot = (...command: string[]): Promise<RunResult> => run('chroot', [root, ...command], { env: environment });

/** A release: its image as the device has it, and its packages, the one that runs the image and one with settings. */
interface Made {
  set: ImageSet;
  debs: PackedDeb[];
}

const app = 'packages-test/app';
/** Of which little changes from version to version. */
const large = (name: string, version: string) =>
  Buffer.concat([noise(100_000, name), Buffer.from(`this is ${version}`), noise(100_000, `more ${name}`)]);
const names = ['ccai', 'ccai-gzip', 'ccai-tools', 'ccai-xz'];

async function make(version: string): Promise<Made> {
  const layers = [sampleTar([{ name: 'app', bytes: noise(100_000, version) }])];
  const options = { env: [`V=${version}`], reference: `${app}:${version}` };
  const image = writeOciArchive(join(folder, `${version}.tar`), layers, options);
  const config = makeProject(
    {
      ccai: deb({ service: 'service', license: 'Apache-2.0' }),
      // Each in another compression: what is installed of them does not depend on it.
      'ccai-tools': deb({
        license: 'Apache-2.0',
        compression: 'zstd',
        contents: [
          { src: 'tools', dst: '/usr/lib/ccai' },
          { src: 'etc', dst: '/etc/ccai' },
        ],
      }),
      'ccai-xz': deb({ license: 'Apache-2.0', compression: 'xz', contents: [{ src: 'xz', dst: '/usr/lib/ccai-xz' }] }),
      'ccai-gzip': deb({
        license: 'Apache-2.0',
        compression: 'gzip',
        contents: [{ src: 'gzip', dst: '/usr/lib/ccai-gzip' }],
      }),
    },
    {
      'tools/version': version,
      'etc/tools.conf': `made for ${version}\n`,
      ...Object.fromEntries(['tools', 'xz', 'gzip'].map((name) => [`${name}/data`, large(name, version)])),
    },
    { layers: { service: { context: 'docker/service', image: app } } },
  );
  const service: ServiceImage = {
    layer: 'service',
    platform: hostPlatform(),
    config: image.config as `sha256:${string}`,
    reference: `${app}:${version}`,
  };
  const debs = await pack(config, { version, images: [service] });
  const store = () => Promise.reject(new Error('no release is named here'));
  const opened = await openImages(`oci-archive:${version}.tar`, { directory: folder, platform: hostPlatform(), store });
  const packages = debs.map(({ name, version: own, architecture, size, sha256, file }) => {
    return { name, version: own, architecture, size, sha256, bytes: () => createReadStream(file) };
  });
  return { set: { ...opened, version, packages }, debs };
}

const versions = async () => {
  const shown = await inRoot('dpkg-query', '-W', '-f', '${Package} ${Version} ${db:Status-Status}\n', ...names);
  return shown.stdout.toString().trim().split('\n');
};

describe.skipIf(!offered.available || go === undefined)('an update with packages', () => {
  const env = offered.available ? offered.env : {};
  const socket = (env['DOCKER_HOST'] ?? '').replace('unix://', '');
  const device = (...args: string[]) =>
    inRoot(
      '/usr/bin/imgbuild-ota',
      ...args,
      '--docker',
      `unix:///run/engine/${basename(socket)}`,
      '--config',
      '/tmp/device.conf',
    );

  beforeAll(async () => {
    mkdirSync(root);
    await runChecked('tar', ['-xf', inject('rootfs').system, '-C', root]);
    mkdirSync(join(root, 'run/engine'), { recursive: true });
    await runChecked('mount', ['--bind', dirname(socket), join(root, 'run/engine')]);
    copyFileSync(
      await buildDeviceProgram(go!, process.arch === 'arm64' ? 'arm64' : 'amd64'),
      join(root, 'usr/bin/imgbuild-ota'),
    );
  }, 600_000);
  afterAll(async () => {
    await run('umount', [join(root, 'run/engine')]);
    for (const version of ['1.0.0', '2.0.0'])
      await run('docker', ['rmi', '--force', `${app}:${version}`], { env: { ...process.env, ...env } });
    rmSync(folder, { recursive: true, force: true });
  });

  test(
    'installs them by dpkg, and goes back to those that were there, by hand and by itself',
    { timeout: 240_000 },
    async () => {
      const [one, two] = [await make('1.0.0'), await make('2.0.0')];
      for (const { file } of one.debs) copyFileSync(file, join(root, 'tmp', basename(file)));
      const installed = await inRoot('dpkg', '-i', ...one.debs.map(({ file }) => `/tmp/${basename(file)}`));
      expect(installed.exitCode, installed.stderr).toBe(0);
      const docker = join(folder, 'load.tar');
      writeDockerArchive(docker, [sampleTar([{ name: 'app', bytes: noise(100_000, '1.0.0') }])], {
        env: ['V=1.0.0'],
        tags: [`${app}:1.0.0`],
      });
      await runChecked('docker', ['load', '-i', docker], { env: { ...process.env, ...env } });
      const common = { to: two.set, name: 'ccai', progress: silent, signal: new AbortController().signal };
      const made = await makeDelta({ ...common, from: one.set, output: join(root, 'tmp/new.ota.tar') });
      await makeDelta({ ...common, from: nothing, output: join(root, 'tmp/full.ota.tar') });
      for (const { name, kind, bytes, pullBytes } of made.packages.filter((each) => each.name !== 'ccai')) {
        expect({ name, kind, isSmall: bytes < 0.02 * pullBytes }).toEqual({ name, kind: 'delta', isSmall: true });
      }
      // Settings that somebody has changed, and a service that works while the file is not there.
      writeFileSync(join(root, 'etc/ccai/tools.conf'), 'changed\n');
      writeFileSync(
        join(root, 'tmp/check'),
        '#!/bin/sh\n[ ! -e /tmp/broken ] || ! grep -q 2.0.0 /var/lib/imgbuild/ccai/current\n',
        { mode: 0o755 },
      );
      const settings = ['restart =', 'health-check = /tmp/check', 'healthy-for = 0s', 'health-timeout = 1s'];
      writeFileSync(join(root, 'tmp/device.conf'), `${settings.join('\n')}\n`);

      const expectRelease = async (version: string, origin: string) => {
        expect(await versions()).toEqual(names.map((name) => `${name} ${version} installed`));
        for (const [folderName, name] of [
          ['ccai', 'tools'],
          ['ccai-xz', 'xz'],
          ['ccai-gzip', 'gzip'],
        ] as const) {
          const data = readFileSync(join(root, 'usr/lib', folderName, 'data'));
          expect(data.equals(large(name, version)), `${name} of ${version}`).toBe(true);
        }
        expect(readFileSync(join(root, 'usr/lib/ccai/version'), 'utf8')).toBe(version);
        expect(readFileSync(join(root, 'etc/ccai/tools.conf'), 'utf8')).toBe('changed\n');
        expect((await inRoot('dpkg', '-V', ...names)).stdout.toString().trim()).toBe(
          '??5?????? c /etc/ccai/tools.conf',
        );
        expect((await inRoot('imgbuild-ccai', 'status')).stdout.toString()).toContain(
          `expected  ${version} (${origin})`,
        );
      };
      // A file that was altered: refused with its name, and nothing has happened.
      const data = join(root, 'usr/lib/ccai-xz/data');
      const altered = Buffer.from(large('xz', '1.0.0'));
      altered[7]! ^= 1;
      writeFileSync(data, altered);
      const refused = await device('apply', '/tmp/new.ota.tar', '--allow-unsigned');
      expect(refused).toMatchObject({
        exitCode: 2,
        stderr: expect.stringContaining('"/usr/lib/ccai-xz/data" was altered on this device'),
      });
      expect(refused.stderr).toContain('apply a bundle that starts from none, or install ccai-xz 1.0.0 again');
      expect(await versions()).toEqual(names.map((name) => `${name} 1.0.0 installed`));
      writeFileSync(data, large('xz', '1.0.0'));

      const updated = await device('apply', '/tmp/new.ota.tar', '--allow-unsigned');
      expect(updated.exitCode, updated.stderr).toBe(0);
      await expectRelease('2.0.0', 'update');
      expect((await device('status')).stdout.toString()).toContain('  package   ccai-tools 2.0.0: as it should be\n');

      const back = await device('rollback');
      expect(back.exitCode, back.stderr).toBe(0);
      await expectRelease('1.0.0', 'package');

      writeFileSync(join(root, 'tmp/broken'), '');
      const failed = await device('apply', '/tmp/new.ota.tar', '--allow-unsigned');
      expect([failed.exitCode, failed.stderr]).toEqual([1, expect.stringContaining('1.0.0 is back')]);
      await expectRelease('1.0.0', 'package');
      expect(readdirSync(join(root, 'var/lib/imgbuild/ccai'))).not.toContain('journal');

      // What is altered does not matter to a bundle that starts from none.
      rmSync(join(root, 'tmp/broken'));
      writeFileSync(data, altered);
      const full = await device('apply', '/tmp/full.ota.tar', '--allow-unsigned');
      expect(full.exitCode, full.stderr).toBe(0);
      await expectRelease('2.0.0', 'update');
    },
  );
});
