import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { distribution, extractPackages, installPackages } from '../../scripts/support/apt.ts';
import { toolsFolder } from '../../scripts/support/engines.ts';
import type { PackedDeb } from '../../src/deb/pack-debs.ts';
import { run, runChecked, type RunResult } from '../../src/process/run.ts';
import { pack, packOne } from './support/pack.ts';
import { deb, makeProject, serviceImages } from './support/project.ts';

/** A system of its own, made by debootstrap, in which packages are installed. */
let root: string;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'imgbuild-root-'));
  await runChecked('tar', ['-xf', inject('rootfs').system, '-C', root]);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const environment = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };
const inRoot = (...command: string[]): Promise<RunResult> => run('chroot', [root, ...command], { env: environment });

async function dpkg(...args: string[]): Promise<RunResult> {
  const result = await inRoot('dpkg', ...args);
  expect(result.exitCode, `dpkg ${args.join(' ')}: ${result.stdout} ${result.stderr}`).toBe(0);
  return result;
}

/** Copies a package into the system; its path there. */
function bring(packed: PackedDeb): string {
  const path = `/tmp/${basename(packed.file)}`;
  copyFileSync(packed.file, join(root, path));
  return path;
}

const verified = async (name: string) => (await dpkg('-V', name)).stdout.toString();
const status = async (name: string) => {
  const shown = await inRoot('dpkg-query', '-W', '-f', '${Status} ${Version}', name);
  return shown.exitCode === 0 ? shown.stdout.toString() : 'unknown';
};

const service = {
  ccai: deb({ service: 'service', license: 'Apache-2.0', contents: [{ src: 'etc', dst: '/etc/ccai' }] }),
};
const serviceFiles = { 'etc/ccai.conf': 'a=1\n', 'etc/other.conf': 'b=1\n' };

function serviceProject(files: Record<string, string> = serviceFiles) {
  return makeProject(service, files);
}

describe('dpkg in a debootstrap root', () => {
  test('installs, verifies, removes and purges the service package', async () => {
    const installed = await dpkg('-i', bring(await packOne(serviceProject())));
    expect(installed.stderr).toContain('ccai is installed; its service starts when the image is there');
    expect(installed.stderr).toContain('there is no docker program');
    expect(await verified('ccai')).toBe('');
    expect(readFileSync(join(root, 'opt/ccai/docker_image'), 'utf8')).toBe(`${serviceImages[0]!.config}\n`);
    expect(readFileSync(join(root, 'opt/ccai/docker_image_tag'), 'utf8')).toBe(`${serviceImages[0]!.reference}\n`);
    const wanted = join(root, 'etc/systemd/system/multi-user.target.wants/imgbuild-ccai.service');
    expect(lstatSync(wanted).isSymbolicLink()).toBe(true);
    expect(await inRoot('imgbuild-ccai', 'status')).toMatchObject({ exitCode: 69 });

    await dpkg('-r', 'ccai');
    expect(await status('ccai')).toBe('deinstall ok config-files 1.2.0');
    expect(existsSync(join(root, 'opt/ccai'))).toBe(false);
    expect(existsSync(join(root, 'etc/ccai/ccai.conf'))).toBe(true);

    await dpkg('--purge', 'ccai');
    expect(await status('ccai')).not.toContain('ok');
    for (const path of ['etc/ccai', 'opt/ccai', 'var/lib/imgbuild/ccai', 'usr/bin/imgbuild-ccai']) {
      expect(existsSync(join(root, path)), path).toBe(false);
    }
    const units = await inRoot('sh', '-c', 'find /etc/systemd /var/lib/systemd -name "*ccai*"');
    expect(units.stdout.toString()).toBe('');
  });

  test('upgrades and downgrades, and keeps what the administrator wrote', async () => {
    const older = await packOne(serviceProject(), { version: '1.2.0-rc.1' });
    const newer = await packOne(serviceProject({ ...serviceFiles, 'etc/ccai.conf': 'a=2\n' }), { version: '1.2.0' });
    await dpkg('-i', bring(older));
    writeFileSync(join(root, 'etc/ccai/other.conf'), 'mine\n');
    await dpkg('-i', bring(newer));
    expect(await status('ccai')).toBe('install ok installed 1.2.0');
    expect(readFileSync(join(root, 'etc/ccai/ccai.conf'), 'utf8')).toBe('a=2\n');
    expect(readFileSync(join(root, 'etc/ccai/other.conf'), 'utf8')).toBe('mine\n');
    expect(await verified('ccai')).toMatch(/^\S+ c \/etc\/ccai\/other\.conf\n$/);
    const back = await dpkg('-i', bring(older));
    expect(back.stderr).toContain('downgrading ccai from 1.2.0 to 1.2.0~rc.1');
    expect(await status('ccai')).toBe('install ok installed 1.2.0~rc.1');
    await dpkg('--purge', 'ccai');
  });

  test('finishes an installation that was interrupted half-way', async () => {
    const packed = await packOne(serviceProject());
    await dpkg('--unpack', bring(packed));
    expect(await status('ccai')).toBe('install ok unpacked 1.2.0');
    await dpkg('--configure', '-a');
    await dpkg('--unpack', bring(packed));
    await dpkg('-i', bring(packed));
    expect(await verified('ccai')).toBe('');
    await dpkg('--purge', 'ccai');
  });

  test('finishes an upgrade that was killed at any moment', async () => {
    const payload = (text: string) => Object.fromEntries(Array.from({ length: 60 }, (_, n) => [`etc/f${n}`, text]));
    const older = bring(await packOne(serviceProject(payload('old\n')), { version: '1.0.0' }));
    const newer = bring(await packOne(serviceProject(payload('new\n')), { version: '2.0.0' }));
    let unfinished = 0;
    for (let round = 0; round < 6; round++) {
      await dpkg('-i', older);
      const child = spawn('chroot', [root, 'dpkg', '--force-unsafe-io', '-i', newer], {
        env: environment,
        stdio: 'ignore',
        detached: true,
      });
      const ended = once(child, 'exit');
      await sleep(20 + 60 * round);
      try {
        process.kill(-child.pid!, 'SIGKILL');
      } catch {
        // It was faster.
      }
      const [, signal] = (await ended) as [number | null, string | null];
      if (signal !== null) unfinished++;
      // As an administrator is told to: what is half done first, then the package again.
      await inRoot('dpkg', '--configure', '-a');
      await dpkg('-i', newer);
      expect(await status('ccai')).toBe('install ok installed 2.0.0');
      expect(await verified('ccai')).toBe('');
      expect(readFileSync(join(root, 'etc/ccai/f59'), 'utf8')).toBe('new\n');
    }
    expect(unfinished).toBeGreaterThan(0);
    await dpkg('--purge', 'ccai');
    expect(existsSync(join(root, 'opt/ccai'))).toBe(false);
  });

  test('installs the parts of one that was split together, and moves files between them', async () => {
    const models = (split: string) => ({
      models: deb({ split, contents: [{ src: 'm', dst: '/opt/m', owner: 'daemon', group: 'games' }] }),
    });
    const files = Object.fromEntries(['a', 'b', 'c'].map((name) => [`m/${name}.bin`, name.repeat(600_000)]));
    const two = (await pack(makeProject(models('1.3MB'), files), { version: '1.0.0' })).map(bring);
    const three = (await pack(makeProject(models('1MB'), files), { version: '1.1.0' })).map(bring);
    expect([two.length, three.length]).toEqual([2, 3]);
    const alone = await inRoot('dpkg', '-i', two[1]!);
    expect(`${alone.exitCode} ${alone.stderr}`).toContain('depends on models (= 1.0.0)');
    await dpkg('-i', ...two);
    await dpkg('-i', ...three);
    for (const name of ['models', 'models-part2', 'models-part3']) expect(await verified(name)).toBe('');
    expect(readFileSync(join(root, 'opt/m/c.bin'), 'utf8')).toBe('c'.repeat(600_000));
    const fewer = (await pack(makeProject(models('1.3MB'), files), { version: '1.2.0' })).map(bring);
    await dpkg('-i', ...fewer);
    for (const name of ['models', 'models-part2']) expect(await verified(name)).toBe('');
    await dpkg('--purge', 'models-part3');
    expect(readFileSync(join(root, 'opt/m/c.bin'), 'utf8')).toBe('c'.repeat(600_000));
    await dpkg('--purge', 'models', 'models-part2');
    expect(existsSync(join(root, 'opt/m'))).toBe(false);
  });

  test('gives users, owners, units and what tmpfiles makes, and takes away what a purge takes', async () => {
    const config = makeProject(
      {
        monitor: deb({
          sysusers: 'monitor.sysusers',
          tmpfiles: 'monitor.tmpfiles',
          units: [{ src: 'monitor.service' }],
          contents: [
            { type: 'dir', dst: '/var/lib/monitor', mode: '0750', owner: 'monitor', group: 'monitor' },
            { src: 'tool', dst: '/usr/lib/monitor/', mode: '4750', group: 'monitor' },
            { type: 'ghost', dst: '/var/lib/monitor/state' },
            { type: 'config', src: 'tool', dst: '/opt/monitor.conf' },
          ],
        }),
      },
      {
        'monitor.sysusers': 'u monitor -\n',
        'monitor.tmpfiles': 'd /var/cache/monitor 0700 monitor monitor\n',
        'monitor.service': '[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n',
        tool: 'x\n',
      },
    );
    // A minimal system has no systemd; these are the parts of it that make users and folders.
    const programs = ['systemd-standalone-sysusers', 'systemd-standalone-tmpfiles'];
    const { codename } = await distribution();
    const request = {
      cache: join(toolsFolder, 'bases'),
      name: 'systemd-parts',
      suites: [codename],
      packages: programs,
    };
    const copy = 'tar -C "$1" -cf - . | tar -C "$2" --keep-directory-symlink -xf -';
    await runChecked('sh', ['-c', copy, 'sh', await extractPackages(request, () => {}), root]);
    // systemd-tmpfiles looks at what it makes through /proc.
    await runChecked('mount', ['-t', 'proc', 'proc', join(root, 'proc')]);
    try {
      await dpkg('--force-depends', '-i', bring(await packOne(config)));
    } finally {
      await runChecked('umount', [join(root, 'proc')]);
    }
    const look = async (path: string) => (await inRoot('stat', '-c', '%U:%G %a', path)).stdout.toString().trim();
    expect(await look('/var/lib/monitor')).toBe('monitor:monitor 750');
    expect(await look('/usr/lib/monitor/tool')).toBe('root:monitor 4750');
    expect(await look('/var/cache/monitor')).toBe('monitor:monitor 700');
    const wanted = join(root, 'etc/systemd/system/multi-user.target.wants/monitor.service');
    expect(lstatSync(wanted).isSymbolicLink()).toBe(true);
    writeFileSync(join(root, 'var/lib/monitor/state'), 'made here');
    await dpkg('-r', 'monitor');
    expect(existsSync(join(root, 'opt/monitor.conf'))).toBe(true);
    await dpkg('--purge', 'monitor');
    for (const path of ['opt/monitor.conf', 'var/lib/monitor', 'usr/lib/monitor']) {
      expect(existsSync(join(root, path)), path).toBe(false);
    }
  });

  test('leaves an update in place that is newer than the package, and takes over from an older one', async () => {
    const state = join(root, 'var/lib/imgbuild/ccai');
    mkdirSync(state, { recursive: true });
    const config = `sha256:${'cd'.repeat(32)}`;
    const update = (version: string) =>
      writeFileSync(
        join(state, 'current'),
        JSON.stringify({ schema: 1, version, images: { service_runtime: { config, platform: 'linux/amd64' } } }),
      );
    const expected = async () => (await inRoot('imgbuild-ccai', 'status')).stdout.toString().split('\n')[0];
    const fromPackage = (version: string) => `expected  ${version} (package) ${serviceImages[0]!.config}`;
    const fromUpdate = (version: string) => `expected  ${version} (update) ${config}`;

    await dpkg('-i', bring(await packOne(serviceProject(), { version: '1.0.0' })));
    expect(await expected()).toBe(fromPackage('1.0.0'));
    update('1.2.0');
    expect(await expected()).toBe(fromUpdate('1.2.0'));
    await dpkg('-i', bring(await packOne(serviceProject(), { version: '1.1.0' })));
    expect(await expected()).toBe(fromUpdate('1.2.0'));
    await dpkg('-i', bring(await packOne(serviceProject(), { version: '1.3.0' })));
    expect(await expected()).toBe(fromPackage('1.3.0'));
    await dpkg('-i', bring(await packOne(serviceProject(), { version: '1.3.1' })));
    expect(await expected()).toBe(fromPackage('1.3.1'));
    update('1.3.0');
    expect(await expected(), 'an update that goes back').toBe(fromUpdate('1.3.0'));
    await dpkg('-i', bring(await packOne(serviceProject(), { version: '1.1.0' })));
    expect(await expected(), 'a downgrade by hand').toBe(fromPackage('1.1.0'));
    expect(await verified('ccai')).toBe('');
    await dpkg('--purge', 'ccai');
    expect(existsSync(join(state, 'current')), 'what is not the package’s').toBe(true);
    rmSync(state, { recursive: true });
  });

  test('installs packages of files in every compression', async () => {
    const compressions = ['auto', 'zstd', 'xz', 'gzip', 'none'];
    await installPackages(['xz-utils'], () => {});
    const files = { 'models/ä b.bin': 'weights '.repeat(200_000), 'models/empty': '', 'models/deep/x': 'x' };
    const debs = Object.fromEntries(
      compressions.map((compression) => [
        `models-${compression}`,
        deb({ compression, contents: [{ src: 'models', dst: `/opt/models/${compression}` }] }),
      ]),
    );
    const packed = await pack(makeProject(debs, files));
    await dpkg('-i', ...packed.map(bring));
    for (const compression of compressions) {
      expect(await verified(`models-${compression}`)).toBe('');
      for (const [path, text] of Object.entries(files)) {
        const installed = join(root, 'opt/models', compression, path.slice('models/'.length));
        expect(readFileSync(installed, 'utf8')).toBe(text);
      }
    }
    rmSync(join(root, 'opt/models/none/empty'));
    expect((await inRoot('dpkg', '-V', 'models-none')).stdout.toString()).toContain('/opt/models/none/empty');
    await dpkg('-r', ...compressions.map((compression) => `models-${compression}`));
    expect(existsSync(join(root, 'opt/models'))).toBe(false);
  });
});

test('lintian finds no errors and no warnings', async () => {
  await installPackages(['lintian'], () => {});
  const config = makeProject(
    {
      ...service,
      'ccai-models': deb({ contents: [{ src: 'models', dst: '/opt/ccai/models' }], license: 'MIT' }),
      'ccai-text': deb({ contents: [{ src: 'models', dst: '/usr/share/ccai' }], compression: 'zstd' }),
      'ccai-units': deb({
        units: [{ src: 'package/ccai-units.service' }],
        sysusers: 'package/users',
        tmpfiles: 'package/folders',
        contents: [
          { type: 'dir', dst: '/var/lib/ccai-units', owner: 'ccai', mode: '0750' },
          { src: 'models/w.bin', dst: '/usr/share/ccai-units/', mode: '0640' },
        ],
      }),
      'ccai-parts': deb({ split: '1MB', contents: [{ src: 'parts', dst: '/usr/share/ccai-parts' }] }),
      'ccai-raw': deb({ contents: [{ src: 'models', dst: '/usr/share/ccai-raw' }], compression: 'none' }),
    },
    {
      ...serviceFiles,
      'models/w.bin': 'weights',
      'parts/a.bin': 'a'.repeat(600_000),
      'parts/b.bin': 'b'.repeat(600_000),
      'package/users': 'u ccai -\n',
      'package/folders': 'd /run/ccai-units\n',
      'package/ccai-units.service':
        '[Unit]\nDescription=units\nDocumentation=https://example.com\n[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n',
    },
  );
  const packed = (await pack(config)).map(({ file }) => file);
  const options = ['--no-cfg', '--allow-root', '--fail-on=error,warning'];
  const { stdout, exitCode } = await run('lintian', [...options, ...packed]);
  expect(`${exitCode} ${stdout}`).toBe('0 ');
});
