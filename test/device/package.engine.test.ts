import { copyFileSync, existsSync, lstatSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { buildDeviceProgram, deviceFolder, goProgram, packManual } from '../../scripts/device.ts';
import { architecture, distribution, installPackages } from '../../scripts/support/apt.ts';
import { run, runChecked, type RunResult } from '../../src/process/run.ts';

const go = await goProgram();
const program = join(import.meta.dirname, '../../src/cli/main.ts');
const folder = mkdtempSync(join(tmpdir(), 'imgbuild-device-deb-'));
const root = join(folder, 'root');
const environment = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };
const inRoot = (...command: string[]): Promise<RunResult> => run('chroot', [root, ...command], { env: environment });

/** The package of the device program, made by imgbuild as it stands in device/imgbuild.yaml. */
async function pack(of: 'amd64' | 'arm64'): Promise<string> {
  const args = ['debs', '-C', deviceFolder, '--version', '1.2.0', '-o', folder];
  await runChecked(process.execPath, [program, ...args], { env: { ...process.env, ARCHITECTURE: of } });
  return join(folder, `imgbuild-ota_1.2.0_${of}.deb`);
}

describe.skipIf(go === undefined)('the package of the device program', () => {
  beforeAll(async () => {
    await installPackages(['xz-utils'], () => {});
    await Promise.all([buildDeviceProgram(go!, 'amd64'), buildDeviceProgram(go!, 'arm64')]);
    await packManual();
    await runChecked('mkdir', [root]);
    await runChecked('tar', ['-xf', inject('rootfs').system, '-C', root]);
  }, 600_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('is installed, verified, removed and purged by dpkg; the settings are kept', async () => {
    const packed = await pack((await architecture()) as 'amd64');
    copyFileSync(packed, join(root, 'tmp/device.deb'));
    const installed = await inRoot('dpkg', '-i', '/tmp/device.deb');
    expect(installed.exitCode, installed.stderr).toBe(0);
    expect((await inRoot('dpkg', '-V', 'imgbuild-ota')).stdout.toString()).toBe('');
    expect((await inRoot('imgbuild-ota', '--help')).stdout.toString()).toContain('rollback [NAME]');
    // Its own settings are read: the keyring that they name is not there yet.
    const refused = await inRoot('imgbuild-ota', 'verify', '/tmp/device.deb');
    expect(refused.stderr).toContain('reading the keyring /etc/imgbuild-ota/keyring.gpg: there is no such file');
    expect((await inRoot('imgbuild-ota', 'status')).exitCode).toBe(0);
    for (const timer of ['imgbuild-ota.timer', 'imgbuild-ota-update.timer']) {
      expect(lstatSync(join(root, 'etc/systemd/system/timers.target.wants', timer)).isSymbolicLink()).toBe(true);
    }
    expect((await inRoot('imgbuild-ota', 'update')).stdout.toString()).toBe('no project follows a channel\n');

    // An update may be installing it: its services are not stopped or restarted by that.
    const script = readFileSync(join(root, 'var/lib/dpkg/info/imgbuild-ota.postinst'), 'utf8');
    expect(script).toContain("'imgbuild-ota.timer'");
    expect(script).not.toContain('.service');

    const settings = join(root, 'etc/imgbuild-ota/imgbuild-ota.conf');
    writeFileSync(settings, readFileSync(settings, 'utf8').replace('keep = 2', 'keep = 3'));
    expect((await inRoot('dpkg', '-r', 'imgbuild-ota')).exitCode).toBe(0);
    expect(readFileSync(settings, 'utf8')).toContain('keep = 3');
    expect((await inRoot('dpkg', '--purge', 'imgbuild-ota')).exitCode).toBe(0);
    expect(existsSync(settings)).toBe(false);
    const units = await inRoot('sh', '-c', 'find /etc/systemd /var/lib/systemd -name "*imgbuild-ota*"');
    expect(units.stdout.toString()).toBe('');
  });

  test.each(['amd64', 'arm64'] as const)('lintian has nothing to say of it for %s', async (of) => {
    const { id } = await distribution();
    await installPackages(['lintian'], () => {});
    const packed = await pack(of);
    const result = await run('lintian', ['--allow-root', '--fail-on', 'error,warning', packed], { env: environment });
    expect(id === 'debian' ? result.stdout.toString() : '', result.stderr).toBe('');
  });
});
