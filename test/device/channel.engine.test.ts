import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { buildDeviceProgram, goProgram } from '../../scripts/device.ts';
import { connectEngine } from '../../src/image-source/docker-engine.ts';
import { hostPlatform, platformName } from '../../src/oci/platform.ts';
import { silent } from '../../src/progress.ts';
import type { ChannelDelta } from '../../src/release/channel-json.ts';
import { promote, type PromoteRequest } from '../../src/release/promote.ts';
import { makeRelease } from '../../src/release/release.ts';
import { generateSigningKey, type GeneratedKey } from '../../src/signing/generate-key.ts';
import { readSigningKey } from '../../src/signing/openpgp.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { noise, sampleTar } from '../delta/sample-image.ts';
import { TestProject } from '../release/setup.ts';
import { Device, type SampleRelease } from './device.ts';

const engines = inject('engines');
const rootfs = inject('rootfs');
const go = await goProgram();
const base = readFileSync(rootfs.tiny);
const data = noise(3_000_000, 'data');

function release(version: string): SampleRelease {
  const changed = Buffer.from(data);
  changed.write(`of ${version}`, 1_000_000);
  const top = sampleTar([
    { name: 'app/', folder: true },
    { name: 'app/answer', bytes: `${version}\n` },
    { name: 'app/data', bytes: changed },
    { name: `app/new-in-${version}`, bytes: noise(60_000, version) },
  ]);
  return { version, layers: [base, top] };
}
const [one, two, three] = [release('1.0.0'), release('1.1.0'), release('1.2.0')];

/** A folder that devices ask over HTTP. The first answer of a file in `cut` breaks off in its middle. */
class Site {
  readonly folder: string;
  readonly cut = new Set<string>();
  readonly requests: { file: string; range: string | undefined }[] = [];
  #server: Server | undefined;

  constructor(folder: string) {
    this.folder = folder;
  }

  async start(): Promise<string> {
    this.#server = createServer((request, response) => {
      const { pathname } = new URL(request.url!, 'http://site');
      const file = pathname.startsWith('/missing/') ? 'missing' : basename(pathname);
      const { range } = request.headers;
      this.requests.push({ file, range });
      let bytes: Buffer;
      try {
        bytes = readFileSync(join(this.folder, file));
      } catch {
        response.writeHead(404).end();
        return;
      }
      const start = Number(/^bytes=([0-9]+)-$/.exec(range ?? '')?.[1] ?? 0);
      const part = range === undefined ? {} : { 'Content-Range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` };
      const etag = `"${createHash('sha256').update(bytes).digest('hex')}"`;
      const headers = { ETag: etag, 'Content-Length': bytes.length - start, ...part };
      response.writeHead(range === undefined ? 200 : 206, headers);
      if (!this.cut.delete(file)) response.end(bytes.subarray(start));
      else
        response.write(bytes.subarray(start, bytes.length >> 1), () => setTimeout(() => request.socket.destroy(), 50));
    });
    await new Promise<void>((done) => this.#server!.listen(0, '127.0.0.1', done));
    return `http://127.0.0.1:${(this.#server!.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server?.closeAllConnections();
    this.#server?.close();
  }
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
  const name = which === 'classic' ? 'classic' : 'containerd';
  describe.skipIf(!offered.available || go === undefined)(`a channel, for a device with the ${name} store`, () => {
    const env = offered.available ? offered.env : {};
    const engine = connectEngine(env);
    let device: Device;
    let site: Site;
    let url: string;
    let before: string[];
    let project: TestProject;

    beforeEach(async () => {
      before = await engine.list();
      const folder = mkdtempSync(join(tmpdir(), 'imgbuild-channel-'));
      device = new Device({ program, folder, env, app: `device-${randomBytes(4).toString('hex')}/app`, key });
      site = new Site(folder);
      url = await site.start();
      device.configure({ url: `${url}/ota.json` });
      project = new TestProject(new LayoutStore(join(folder, 'store'), 'oci:store'));
      project.platforms = [platformName(hostPlatform())];
      project.configText = project.configText.replace('name: ccai', 'name: app');
      // The device has 1.0.0, as a bundle that starts from nothing has brought it.
      await device.expect('apply', await device.delta(undefined, one));
      await published(one);
      await published(two, one);
    });
    afterEach(async () => {
      site.stop();
      for (const id of await engine.list()) {
        if (!before.includes(id)) await device.docker('rmi', '--force', id).catch(() => '');
      }
      rmSync(device.folder, { recursive: true, force: true });
    });

    /** A release in the store, with a delta from another one. */
    async function published(to: SampleRelease, from?: SampleRelease): Promise<void> {
      const deltas: ChannelDelta[] = [];
      if (from !== undefined) {
        const path = await device.delta(from, to);
        const bytes = readFileSync(path);
        const sha256 = createHash('sha256').update(bytes).digest('hex');
        const platform = project.platforms[0]!;
        const file = basename(path);
        deltas.push({ from: from.version, to: to.version, platform, file, size: bytes.length, sha256 });
      }
      const steps = project.steps({ deltas: () => Promise.resolve(deltas) });
      await makeRelease(project.request(to.version, { steps }));
    }

    const promoted = async (version: string, over: Partial<PromoteRequest> = {}) =>
      promote({
        store: project.store,
        packages: true,
        channel: 'stable',
        version,
        urls: [`${url}/missing/{file}`, `${url}/v{version}/{file}`],
        deltas: [],
        validDays: 90,
        signKey: await readSigningKey(Buffer.from(key.privateKey), 'the key'),
        now: new Date(),
        directory: device.folder,
        progress: silent,
        ...over,
      });

    async function expectRuns({ version }: SampleRelease): Promise<void> {
      expect(device.current()!.version).toBe(version);
      const command = ['/bin/sh', '-c', 'cat /app/answer; wc -c < /app/data'];
      const ran = await device.docker('run', '--rm', '--network', 'none', `${device.app}:${version}`, ...command);
      expect(ran).toBe(`${version}\n3000000\n`);
      expect(device.left()).toEqual(['channels', 'current', 'releases']);
    }

    async function expectRefused(because: RegExp): Promise<void> {
      const refused = await device.call('update');
      expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringMatching(because)]);
      expect(device.current()!.version).toBe('1.0.0');
    }

    test('a delta; then there is nothing to do', async () => {
      await promoted('1.1.0');
      const outlook = JSON.parse(await device.expect('update', '--check', '--json')) as unknown;
      expect(outlook).toMatchObject({
        projects: [{ name: 'app', installed: '1.0.0', version: '1.1.0', action: 'update', way: { kind: 'delta' } }],
      });
      expect(await device.expect('update')).toBe('app: 1.1.0 runs now\n');
      await expectRuns(two);
      expect(await device.expect('update')).toBe('app: nothing to do\n');
      expect(await device.expect('status')).toContain('channel   stable: 1.1.0, number 1, until ');
      // What somebody goes back from is left alone.
      expect(await device.expect('rollback')).toBe('app: 1.0.0 runs now\n');
      expect(await device.expect('update', 'app')).toBe('app: nothing to do\n');
      expect(await device.expect('update', '--again')).toBe('app: 1.1.0 runs now\n');
    });

    test('two deltas in a row: what is between never runs, and is gone', async () => {
      await published(three, two);
      await promoted('1.2.0');
      expect(await device.expect('update')).toBe('app: 1.2.0 runs now\n');
      await expectRuns(three);
      expect(await engine.inspect(`${device.app}:1.1.0`)).toBeUndefined();
      expect((await engine.list()).filter((id) => !before.includes(id))).toHaveLength(2);
    });

    test('a download that is cut in the middle goes on where it was', async () => {
      await promoted('1.1.0');
      site.cut.add('1.0.0-1.1.0.ota.tar');
      expect(await device.expect('update')).toBe('app: 1.1.0 runs now\n');
      const ranges = site.requests.filter(({ file }) => file === '1.0.0-1.1.0.ota.tar').map(({ range }) => range);
      expect(ranges).toContainEqual(expect.stringMatching(/^bytes=[1-9][0-9]*-$/));
      await expectRuns(two);
    });

    test('replayed, expired, tampered', async () => {
      const document = join(device.folder, 'ota.json');
      await promoted('1.1.0', { now: new Date(Date.now() - 10 * 86_400_000), validDays: 9 });
      await expectRefused(/its ota\.json expired on/);
      const old = [readFileSync(document), readFileSync(`${document}.asc`)] as const;
      await promoted('1.0.0');
      expect(await device.expect('update')).toBe('app: nothing to do\n');
      writeFileSync(document, old[0]);
      await expectRefused(/verifying the signature of .*ota\.json/);
      writeFileSync(`${document}.asc`, old[1]);
      await expectRefused(/is number 1, and this device has seen number 2/);
      await promoted('1.1.0');
      const delta = join(device.folder, '1.0.0-1.1.0.ota.tar');
      const bytes = readFileSync(delta);
      bytes[bytes.length >> 1]! ^= 1;
      writeFileSync(delta, bytes);
      const refused = await device.call('update');
      expect([refused.exitCode, refused.stderr]).toEqual([1, expect.stringContaining('it has another sha256')]);
      expect(device.current()!.version).toBe('1.0.0');
    });
  });
}
