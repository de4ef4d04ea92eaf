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

async function make(version: string): Promise<Made> {
  const layers = [sampleTar([{ name: 'app', bytes: noise(100_000, version) }])];
  const options = { env: [`V=${version}`], reference: `${app}:${version}` };
  const image = writeOciArchive(join(folder, `${version}.tar`), layers, options);
  const config = makeProject(
    {
      ccai: deb({ service: 'service', license: 'Apache-2.0' }),
      'ccai-tools': deb({
        license: 'Apache-2.0',
        contents: [
          { src: 'tools', dst: '/usr/lib/ccai' },
          { src: 'etc', dst: '/etc/ccai' },
        ],
      }),
    },
    { 'tools/version': version, 'etc/tools.conf': `made for ${version}\n` },
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
  const shown = await inRoot(
    'dpkg-query',
    '-W',
    '-f',
    '${Package} ${Version} ${db:Status-Status}\n',
    'ccai',
    'ccai-tools',
  );
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
      const bundle = join(root, 'tmp/new.ota.tar');
      await makeDelta({
        from: one.set,
        to: two.set,
        output: bundle,
        name: 'ccai',
        progress: silent,
        signal: new AbortController().signal,
      });
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
        expect(await versions()).toEqual([`ccai ${version} installed`, `ccai-tools ${version} installed`]);
        expect(readFileSync(join(root, 'usr/lib/ccai/version'), 'utf8')).toBe(version);
        expect(readFileSync(join(root, 'etc/ccai/tools.conf'), 'utf8')).toBe('changed\n');
        expect((await inRoot('dpkg', '-V', 'ccai', 'ccai-tools')).stdout.toString().trim()).toBe(
          '??5?????? c /etc/ccai/tools.conf',
        );
        expect((await inRoot('imgbuild-ccai', 'status')).stdout.toString()).toContain(
          `expected  ${version} (${origin})`,
        );
      };
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
    },
  );
});
