import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { buildDeviceProgram, goProgram } from '../../scripts/device.ts';
import { EngineUnavailable } from '../../scripts/support/engines.ts';
import { startPodman, type RunningPodman } from '../../scripts/support/podman.ts';
import { applyBundle } from '../../src/delta/apply/apply.ts';
import { connectEngine, type DockerEngine } from '../../src/image-source/docker-engine.ts';
import { silent } from '../../src/progress.ts';
import { generateSigningKey, type GeneratedKey } from '../../src/signing/generate-key.ts';
import { noise, sampleTar, writeDockerArchive } from '../delta/sample-image.ts';
import { Device, type SampleRelease } from './device.ts';

const go = await goProgram();
const podman = go === undefined ? undefined : await offered();
const base = readFileSync(inject('rootfs').tiny);
const model = noise(200_000, 'model');
const old = sampleTar([
  { name: 'app/', folder: true },
  { name: 'app/model.bin', bytes: model },
  { name: 'app/answer', bytes: 'old\n' },
]);
const renewed = sampleTar([
  { name: 'app/', folder: true },
  { name: 'app/moved.bin', bytes: model },
  { name: 'app/answer', bytes: 'new\n' },
]);
const one: SampleRelease = { version: '1.0.0', layers: [base, old] };
const below: SampleRelease = { version: '3.0.0', layers: [base, sampleTar([{ name: 'under', bytes: 'it\n' }]), old] };
const two: SampleRelease = { version: '2.0.0', layers: [base, renewed] };

async function offered(): Promise<RunningPodman | undefined> {
  try {
    return await startPodman((text) => process.stderr.write(`engines: ${text}\n`));
  } catch (error) {
    if (error instanceof EngineUnavailable) return undefined;
    throw error;
  }
}

describe.skipIf(podman === undefined)('an update of a device with podman', () => {
  let program: string;
  let key: GeneratedKey;
  let engine: DockerEngine;
  let device: Device;
  /** Made once: from 1.0.0 to 2.0.0, and to what has a new filesystem layer below, and from nothing. */
  let [update, inserted, full]: string[] = [];
  beforeAll(async () => {
    program = await buildDeviceProgram(go!, process.arch === 'arm64' ? 'arm64' : 'amd64');
    key = await generateSigningKey('Releases <releases@example.com>');
    engine = connectEngine(podman!.env);
    const maker = newDevice();
    [update, inserted, full] = [
      await maker.delta(one, two),
      await maker.delta(one, below),
      await maker.delta(undefined, two),
    ];
  }, 600_000);
  afterAll(() => podman!.stop());
  beforeEach(() => {
    device = newDevice();
    device.configure({ timeout: '10s' });
  });
  afterEach(async () => {
    await device.docker('rmi', '--all', '--force');
    rmSync(device.folder, { recursive: true, force: true });
  });

  function newDevice(): Device {
    const folder = mkdtempSync(join(tmpdir(), 'imgbuild-device-'));
    return new Device({ program, folder, env: podman!.env, app: 'shop/app', key });
  }
  const names = () => device.docker('images', '--format', '{{.Repository}}:{{.Tag}}').then((text) => text.split('\n'));
  const answer = () =>
    device.docker('run', '--rm', `${device.app}:2.0.0`, '/bin/sh', '-c', 'cat /app/answer; wc -c < /app/moved.bin');

  async function expectNew(release = two): Promise<void> {
    const file = join(device.folder, 'expected.tar');
    const expected = writeDockerArchive(file, release.layers, { env: [`V=${release.version}`, 'PATH=/bin'] });
    const found = await engine.inspect(`localhost/${device.app}:${release.version}`);
    expect(found).toMatchObject({ id: expected.config, diffIds: expected.diffIds });
    expect(device.current()?.version).toBe(release.version);
    expect(device.left()).toEqual(['current', 'releases']);
    expect(await device.docker('ps', '--all', '--quiet')).toBe('');
  }

  test('ends with the exact image under its local name; again changes nothing; rollback and prune', async () => {
    await device.load(one);
    const applied = await device.call('apply', update!);
    expect([applied.exitCode, applied.stdout.toString()]).toEqual([0, 'app: 2.0.0 runs now\n']);
    expect(applied.stderr).toContain('loading shop/app: 1 new filesystem layer\n');
    expect(applied.stderr).not.toMatch(/sending all|warning/);
    await expectNew();
    expect(await answer()).toBe('new\n200000\n');
    expect(await device.expect('apply', update!)).toBe('app: nothing to do\n');
    expect(await names()).toEqual(expect.arrayContaining(['localhost/shop/app:1.0.0', 'localhost/shop/app:2.0.0']));
    expect(await device.expect('rollback')).toBe('app: 1.0.0 runs now\n');
    expect(await device.expect('rollback')).toBe('app: 2.0.0 runs now\n');
    expect(await device.expect('prune', '--keep', '1')).toBe('app: 1.0.0 removed\n');
    expect(await names()).not.toContain('localhost/shop/app:1.0.0');
    expect(await answer()).toBe('new\n200000\n');
  });

  test('a known filesystem layer on a new one; a full bundle onto an empty device', async () => {
    await device.load(one);
    await device.expect('apply', inserted!);
    await expectNew(below);
    await device.docker('rmi', '--all', '--force');
    rmSync(device.state, { recursive: true });
    await device.expect('apply', full!);
    await expectNew();
  });

  test('imgbuild ota apply does the same', async () => {
    const image = await device.load(one);
    const applied = await applyBundle({
      path: update!,
      trust: { keyring: join(device.folder, 'keys.asc') },
      engine,
      state: device.state,
      progress: silent,
      signal: new AbortController().signal,
    });
    expect(applied.images).toMatchObject([{ outcome: 'loaded', diffIds: [image.diffIds[0], expect.any(String)] }]);
    expect(await names()).toEqual(expect.arrayContaining(['localhost/shop/app:1.0.0', 'localhost/shop/app:2.0.0']));
    expect(await answer()).toBe('new\n200000\n');
    expect(await device.expect('apply', update!)).toMatch(/nothing to do|2\.0\.0 runs now/);
  });

  test('wrong source image; a release that does not work', async () => {
    await device.load({ ...one, layers: [base, renewed] });
    const wrong = await device.call('apply', update!);
    expect([wrong.exitCode, wrong.stderr]).toEqual([
      2,
      expect.stringMatching(/podman at unix:.* has no image sha256:/),
    ]);
    await device.docker('rmi', '--all', '--force');

    await device.load(one);
    device.configure({ broken: '2.0.0', timeout: '1s' });
    const broken = await device.call('apply', update!);
    expect([broken.exitCode, broken.stderr]).toEqual([1, expect.stringContaining('1.0.0 is back')]);
    expect(await names()).not.toContain('localhost/shop/app:2.0.0');
    expect(device.left()).toEqual([]);
  });

  test('SIGKILL in the middle, then again', async () => {
    await device.load(one);
    for (const wait of [0, 30, 90]) {
      let loading = 0;
      await device.killed(update!, (since) => {
        if (loading === 0 && device.journalStep() !== undefined) loading = since;
        return loading > 0 && since >= loading + wait;
      });
      expect(await device.docker('run', '--rm', `${device.app}:1.0.0`, '/bin/cat', '/app/answer')).toBe('old\n');
    }
    await device.expect('apply', update!);
    await expectNew();
    expect(await answer()).toBe('new\n200000\n');
  });
});
