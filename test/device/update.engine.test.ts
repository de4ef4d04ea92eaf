import { createHash, randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { buildDeviceProgram, goProgram } from '../../scripts/device.ts';
import { connectEngine } from '../../src/image-source/docker-engine.ts';
import { openImages } from '../../src/image-source/open.ts';
import { hostPlatform } from '../../src/oci/platform.ts';
import { generateSigningKey, type GeneratedKey } from '../../src/signing/generate-key.ts';
import { noise, sampleTar, writeDockerArchive, writeOciArchive, type SampleImage } from '../delta/sample-image.ts';
import { endLease, leaveMaking, leaveUnpacking, takeForCache } from './containerd-lease.ts';
import { Device, type SampleRelease } from './device.ts';

const engines = inject('engines');
const rootfs = inject('rootfs');
const go = await goProgram();

const model = noise(6_000_000, 'model');
const library = noise(400_000, 'library');
const changedLibrary = Buffer.from(library);
for (let at = 0; at < library.length; at += 997) changedLibrary[at]! ^= 1;

const base = readFileSync(rootfs.tiny);
const old = sampleTar([
  { name: 'app/', folder: true },
  { name: 'app/model.bin', bytes: model },
  { name: 'app/lib.so.1', bytes: library },
  { name: 'app/answer', bytes: 'old\n' },
]);
const top = sampleTar([{ name: 'app/more', bytes: noise(50_000, 'more') }]);
const renewed = sampleTar([
  { name: 'srv/', folder: true },
  { name: 'srv/model.bin', bytes: model },
  { name: 'app/', folder: true },
  { name: 'app/lib.so.2', bytes: changedLibrary },
  { name: 'app/answer', bytes: 'new\n' },
]);
const one: SampleRelease = { version: '1.0.0', layers: [base, old] };
const two: SampleRelease = { version: '2.0.0', layers: [base, renewed, top] };

/** Flips a bit on the engine's disk: of the file where the store unpacks, of the blob where it keeps blobs. */
async function alterLayer(device: Device, store: 'classic' | 'containerd', name: string, diffId: string) {
  const inspect = (format: string) => device.docker('image', 'inspect', '--format', format, `${device.app}:1.0.0`);
  const place =
    store === 'classic'
      ? join((await inspect('{{.GraphDriver.Data.UpperDir}}')).trim(), name)
      : join(
          (await device.docker('info', '--format', '{{.DockerRootDir}}')).trim(),
          'containerd/io.containerd.content.v1.content/blobs/sha256',
          diffId.slice(7),
        );
  const bytes = readFileSync(place);
  const altered = Buffer.from(bytes);
  altered[altered.length >> 1]! ^= 1;
  writeFileSync(place, altered, { flag: 'r+' });
  return () => writeFileSync(place, bytes, { flag: 'r+' });
}

let program: string;
let key: GeneratedKey;
beforeAll(async () => {
  if (go === undefined) return;
  program = await buildDeviceProgram(go, process.arch === 'arm64' ? 'arm64' : 'amd64');
  key = await generateSigningKey('Releases <releases@example.com>');
}, 600_000);

for (const which of ['classic', 'current'] as const) {
  const offered = engines[which];
  const store = which === 'classic' ? 'classic' : 'containerd';
  describe.skipIf(!offered.available || go === undefined)(`an update of a device with the ${store} store`, () => {
    const env = offered.available ? offered.env : {};
    const engine = connectEngine(env);
    let device: Device;
    let before: string[];
    beforeEach(async () => {
      before = await engine.list();
      const folder = mkdtempSync(join(tmpdir(), 'imgbuild-device-'));
      const app = `device-${randomBytes(4).toString('hex')}/app`;
      device = new Device({ program, folder, env, app, key });
    });
    afterEach(async () => {
      // Other tests use the same engine: only what came here is removed.
      for (const id of await engine.list()) {
        if (!before.includes(id)) await device.docker('rmi', '--force', id).catch(() => '');
      }
      rmSync(device.folder, { recursive: true, force: true });
    });

    const answer = (version: string) =>
      device.docker(
        'run',
        '--rm',
        '--network',
        'none',
        `${device.app}:${version}`,
        '/bin/sh',
        '-c',
        'cat /app/answer; cat /srv/model.bin /app/more | wc -c',
      );

    /** What comes out for this release, told by another writer. */
    function expected(release: SampleRelease): SampleImage {
      const options = { env: [`V=${release.version}`, 'PATH=/bin'] };
      return writeDockerArchive(join(device.folder, 'expected.tar'), release.layers, options);
    }

    async function expectNew(): Promise<void> {
      const target = expected(two);
      const inspected = await engine.inspect(`${device.app}:2.0.0`);
      expect(inspected?.diffIds).toEqual(target.diffIds);
      const saved = await openImages(`docker-daemon:${device.app}:2.0.0`, {
        directory: device.folder,
        platform: hostPlatform(),
        environment: env,
        store: () => Promise.reject(new Error('unused')),
      });
      expect(saved.images[0]!.config.descriptor.digest).toBe(target.config);
      for (const layer of saved.images[0]!.layers) for await (const chunk of layer.tar()) void chunk;
      await saved.close();
      expect(await answer('2.0.0')).toBe('new\n6050000\n');
      expect(device.current()).toEqual({
        schema: 1,
        version: '2.0.0',
        images: { [device.app]: { config: target.config, platform: `linux/${hostPlatform().architecture}` } },
      });
      expect(await engine.inspect(`${device.app}:1.0.0`)).toBeDefined();
      expect(device.left()).toEqual(['current', 'releases']);
    }

    async function expectOld(): Promise<void> {
      expect(await engine.inspect(`${device.app}:2.0.0`)).toBeUndefined();
      expect((await engine.inspect(`${device.app}:1.0.0`))?.diffIds).toHaveLength(2);
      expect(device.current()).toBeUndefined();
      expect(device.left()).toEqual([]);
      const fresh = (await engine.list()).filter((id) => !before.includes(id));
      expect(fresh).toHaveLength(1);
      expect(await device.docker('ps', '--all', '--format', '{{.Names}}')).not.toContain('imgbuild-probe');
    }

    test('ends with the exact image; again changes nothing; rollback and prune', async () => {
      await device.load(one);
      const path = await device.delta(one, two);
      const applied = await device.call('apply', path);
      expect([applied.exitCode, String(applied.stdout)]).toEqual([0, 'app: 2.0.0 runs now\n']);
      expect(applied.stderr).toMatch(/read the source .+ from its files/);
      await expectNew();
      expect(await device.expect('apply', path)).toBe('app: nothing to do\n');
      await expectNew();
      expect(JSON.parse(await device.expect('status', '--json'))).toMatchObject({
        projects: [{ name: 'app', version: '2.0.0', previous: '1.0.0', images: [{ present: true }] }],
      });

      expect(await device.expect('rollback')).toBe('app: 1.0.0 runs now\n');
      expect(device.current()).toBeUndefined();
      expect(await device.expect('rollback', 'app')).toBe('app: 2.0.0 runs now\n');
      await expectNew();

      expect(await device.expect('prune', '--keep', '1')).toBe('app: 1.0.0 removed\n');
      expect(await engine.inspect(`${device.app}:1.0.0`)).toBeUndefined();
      expect(await answer('2.0.0')).toBe('new\n6050000\n');
    });

    // Docker's own store takes no such archives.
    if (which === 'current') {
      test.each(['gzip', 'zstd'] as const)('compressed blobs, as pulled images have them: %s', async (compression) => {
        const file = join(device.folder, 'oci.tar');
        const options = { env: ['V=1.0.0', 'PATH=/bin'], reference: `docker.io/${device.app}:1.0.0`, compression };
        writeOciArchive(file, one.layers, options);
        await device.docker('load', '-i', file);
        const applied = await device.call('apply', await device.delta(one, two));
        expect([applied.exitCode, applied.stderr]).toEqual([
          0,
          expect.stringMatching(/read the source .+ from its files/),
        ]);
        await expectNew();
      });
    }

    test('a full bundle onto an empty device, from standard input', async () => {
      const path = await device.delta(undefined, two);
      const result = await device.piped(path, 'apply', '-');
      expect(result.stderr).toContain('loading');
      expect(result.exitCode).toBe(0);
      expect(await answer('2.0.0')).toBe('new\n6050000\n');
    });

    test('a known filesystem layer on a new one', async () => {
      const [low, high] = one.layers as [Buffer, Buffer];
      await device.load(one);
      const to = { version: '2.0.0', layers: [low, sampleTar([{ name: 'under', bytes: 'it\n' }]), high] };
      await device.expect('apply', await device.delta(one, to));
      expect((await engine.inspect(`${device.app}:2.0.0`))?.diffIds).toEqual(expected(to).diffIds);
      const run = [
        'run',
        '--rm',
        '--network',
        'none',
        `${device.app}:2.0.0`,
        '/bin/sh',
        '-c',
        'cat /under /app/answer',
      ];
      expect(await device.docker(...run)).toBe('it\nold\n');
    });

    test('wrong source image', async () => {
      await device.load({ version: '1.0.0', layers: [base, sampleTar([{ name: 'other', bytes: 'x' }])] });
      const refused = await device.call('apply', await device.delta(one, two));
      expect(refused.stderr).toMatch(/has no image sha256:[0-9a-f]{64} \(release 1\.0\.0\), from which it starts/);
      expect(refused.exitCode).toBe(2);
      await expectOld();
    });

    test('unsigned, wrong key', async () => {
      await device.load(one);
      const unsigned = await device.call('apply', await device.delta(one, two, false));
      expect([unsigned.exitCode, unsigned.stderr]).toEqual([2, expect.stringContaining('it is not signed')]);
      const signed = await device.delta(one, two);
      const other = new Device({
        program,
        folder: mkdtempSync(join(device.folder, 'other-')),
        env,
        app: device.app,
        key: await generateSigningKey('Other'),
      });
      const refused = await other.call('apply', signed);
      expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringContaining('does not hold')]);
      expect(other.left()).toEqual([]);
      await expectOld();
    });

    test('source file altered on the device', async () => {
      const image = await device.load(one);
      const path = await device.delta(one, two);
      const mend = await alterLayer(device, store, 'app/model.bin', image.diffIds[1]!);
      try {
        const refused = await device.call('apply', path);
        expect(refused.stderr).toMatch(/was altered|breaks off|see what it says/);
        expect(refused.exitCode).toBe(1);
      } finally {
        mend();
      }
      await expectOld();
    });

    // Docker 20 does not sync these when it unpacks: after a power cut they are empty, and the image counts as there.
    const unsyncedNotes = store === 'classic' ? ['lower', 'link'] : [];
    test.each(unsyncedNotes)('new image whose note "%s" a power cut lost', async (note) => {
      await device.load(one);
      const path = await device.delta(one, two);
      await device.load(two);
      const upper = await device.docker(
        'image',
        'inspect',
        '--format',
        '{{.GraphDriver.Data.UpperDir}}',
        `${device.app}:2.0.0`,
      );
      truncateSync(join(upper.trim(), '..', note));
      mkdirSync(join(device.state, 'app'), { recursive: true });
      writeFileSync(join(device.state, 'app/unsynced'), 'of the start before\n');
      await device.expect('apply', path);
      await expectNew();
    });

    // Docker knows nothing of what containerd keeps for it where the power failed.
    const kept = [
      { what: 'what is unpacked', leave: leaveUnpacking },
      { what: 'a container', leave: leaveMaking },
    ];
    const interrupted = store === 'classic' ? [] : kept;
    test.each(interrupted)('files that a power cut lost, kept by containerd for $what', async ({ leave }) => {
      await device.load(one);
      const path = await device.delta(one, two);
      const { diffIds } = await device.load(two);
      const info = JSON.parse(await device.docker('info', '--format', '{{json .}}'));
      const snapshots = join(info.DockerRootDir, 'containerd/io.containerd.snapshotter.v1.overlayfs/snapshots');
      const answers = readdirSync(snapshots).map((each) => join(snapshots, each, 'fs/app/answer'));
      // One of a test before may still be on its way out.
      for (const each of answers) if (existsSync(each) && readFileSync(each, 'utf8') === 'new\n') rmSync(each);
      const chainId = `sha256:${createHash('sha256').update(`${diffIds[0]} ${diffIds[1]}`).digest('hex')}`;
      await leave(info.Containerd.Address, randomBytes(32).toString('hex'), chainId);
      const cached = randomBytes(12).toString('hex');
      await takeForCache(info.Containerd.Address, cached, diffIds[0]!);
      await device.docker('image', 'rm', `${device.app}:2.0.0`);
      mkdirSync(join(device.state, 'app'), { recursive: true });
      writeFileSync(join(device.state, 'app/unsynced'), 'of the start before\n');
      expect((await device.call('apply', path)).stderr).toMatch(/1 file missing[^]*1 lease given up/);
      await endLease(info.Containerd.Address, cached);
      await expectNew();
    });

    test('two appliers at once', async () => {
      await device.load(one);
      const path = await device.delta(one, two);
      const results = await Promise.all([device.call('apply', path), device.call('apply', path)]);
      expect(results.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
      const told = results.map(({ stdout }) => stdout.toString('utf8')).toSorted();
      expect(told).toEqual(['app: 2.0.0 runs now\n', 'app: nothing to do\n']);
      await expectNew();
    });

    test('a failed health check: back to the old release by itself', async () => {
      await device.load(one);
      device.configure({ broken: '2.0.0', timeout: '2s' });
      const path = await device.delta(one, two);
      const refused = await device.call('apply', path);
      expect(refused.stderr).toMatch(/updating to 2\.0\.0: it does not work \(.*2\.0\.0 is broken\); 1\.0\.0 is back/);
      expect(refused.exitCode).toBe(1);
      await expectOld();
      device.configure({});
      await device.expect('apply', path);
      await expectNew();
    });
  });
}
