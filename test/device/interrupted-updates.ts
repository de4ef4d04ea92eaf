import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { currentEngine, debianEngine, type RunningEngine } from '../../scripts/support/engines.ts';
import { openImages } from '../../src/image-source/open.ts';
import { hostPlatform } from '../../src/oci/platform.ts';
import { generateSigningKey, type GeneratedKey } from '../../src/signing/generate-key.ts';
import { noise, sampleTar } from '../delta/sample-image.ts';
import { Device, type SampleRelease } from './device.ts';
import { LossyDisk } from './lossy-disk.ts';

/** What was found after interruptions, and after what was done next. */
export interface Interruptions {
  /** The engine came up with the old release in its place. */
  old: number;
  /** With the new one. */
  new: number;
  /** What was wrong, with the moment. */
  failures: string[];
}

export interface InterruptionRequest {
  engine: 'classic' | 'current';
  /** Of the device program. */
  program: string;
  /** Tar of a root file system with a shell and sha256sum. */
  rootfs: string;
  seed: number;
  /** Moments at which the power fails, and at which something is killed. */
  cuts: number;
  kills: number;
}

const library = noise(900_000, 'library');
const changed = Buffer.from(library);
for (let at = 0; at < changed.length; at += 1009) changed[at]! ^= 1;

interface AnsweringRelease extends SampleRelease {
  /** What `question` prints in a container of it. */
  answer: string;
}

/** In the order of the shell's globs. */
const many = Array.from({ length: 200 }, (_, at) => ({ name: `app/f${at}`, bytes: noise(2000, at) })).toSorted((a, b) =>
  a.name < b.name ? -1 : 1,
);
const question = 'cat /app/answer; ls /app | wc -l; cat /app/f* /app/lib.so /app/last | sha256sum';

function releaseOf(version: string, base: Buffer, lib: Buffer, last: Buffer): AnsweringRelease {
  const hash = createHash('sha256');
  for (const { bytes } of [...many, { bytes: lib }, { bytes: last }]) hash.update(bytes);
  const layer = sampleTar([
    { name: 'app/', folder: true },
    ...many,
    { name: 'app/lib.so', bytes: lib },
    { name: 'app/last', bytes: last },
    { name: 'app/answer', bytes: `${version}\n` },
  ]);
  return { version, layers: [base, layer], answer: `${version}\n${many.length + 3}\n${hash.digest('hex')}  -\n` };
}

function releases(rootfs: string) {
  const base = readFileSync(rootfs);
  return {
    one: releaseOf('1.0.0', base, library, noise(3_000_000, 'last')),
    two: releaseOf('2.0.0', base, changed, noise(3_000_000, 'next')),
  };
}

/** A device whose engine, state and files are all on one disk. */
class Bench {
  readonly disk: LossyDisk;
  readonly #request: InterruptionRequest;
  readonly #key: GeneratedKey;
  readonly #app = `device-${randomBytes(4).toString('hex')}/app`;
  readonly #releases: ReturnType<typeof releases>;
  bundle = '';
  engine: RunningEngine | undefined;

  private constructor(disk: LossyDisk, request: InterruptionRequest, key: GeneratedKey) {
    this.disk = disk;
    this.#request = request;
    this.#key = key;
    this.#releases = releases(request.rootfs);
  }

  /** With the old release, and the bundle that brings the new one, in the state `ready`. */
  static async make(request: InterruptionRequest): Promise<Bench> {
    const disk = await LossyDisk.make(mkdtempSync(join(tmpdir(), 'imgbuild-disk-')));
    const bench = new Bench(disk, request, await generateSigningKey('Releases <releases@example.com>'));
    try {
      disk.clone('first', 'ready');
      const device = await bench.boot('ready');
      await device.load(bench.#releases.one);
      bench.bundle = await device.delta(bench.#releases.one, bench.#releases.two);
      await bench.shutDown();
    } catch (error) {
      await bench.close();
      throw error;
    }
    return bench;
  }

  async boot(state: string): Promise<Device> {
    await this.disk.mount(state);
    return this.startEngine();
  }

  async startEngine(): Promise<Device> {
    const start = this.#request.engine === 'classic' ? debianEngine : currentEngine;
    this.engine = await start({ dataRoot: join(this.disk.path, 'engine') });
    const folder = join(this.disk.path, 'device');
    mkdirSync(folder, { recursive: true });
    const { program } = this.#request;
    const device = new Device({ program, folder, env: this.engine.env, app: this.#app, key: this.#key });
    // Where the engine is killed, the health check fails until then.
    device.configure({ timeout: '1m' });
    return device;
  }

  async stopEngine(): Promise<void> {
    await this.engine?.stop();
    this.engine = undefined;
  }

  async shutDown(): Promise<void> {
    await this.stopEngine();
    await this.disk.unmount();
  }

  async close(): Promise<void> {
    await this.stopEngine();
    await this.disk.remove();
  }

  /** Throws what is wrong. What a device does at its start and then again is done. */
  async recover(device: Device): Promise<'old' | 'new'> {
    const { one, two } = this.#releases;
    await device.expect('resume');
    const found = device.current()?.version === two.version ? 'new' : 'old';
    await this.#expectRunning(device, found === 'new' ? two : one);
    await device.expect('apply', this.bundle);
    await this.#expectRunning(device, two);
    await this.#expectExact(device, two);
    await device.expect('status');
    const left = device.left().toSorted();
    if (left.join() !== 'current,releases') throw new Error(`${left.join()} is left`);
    return found;
  }

  async #expectRunning(device: Device, { version, answer }: AnsweringRelease): Promise<void> {
    const image = `${device.app}:${version}`;
    const said = await device.docker('run', '--rm', '--network', 'none', image, '/bin/sh', '-c', question);
    if (said !== answer) throw new Error(`${version} answers ${JSON.stringify(said)}`);
  }

  /** An image that is there is there with all of its bytes. */
  async #expectExact(device: Device, { version }: SampleRelease): Promise<void> {
    const name = `docker-daemon:${device.app}:${version}`;
    const options = { directory: '/', platform: hostPlatform(), environment: this.engine!.env };
    const images = await openImages(name, { ...options, store: () => Promise.reject(new Error('unused')) });
    try {
      // Each is hashed while it is read.
      for (const layer of images.images[0]!.layers) for await (const chunk of layer.tar()) void chunk;
    } finally {
      await images.close();
    }
  }
}

/**
 * Updates a device and interrupts that at random moments. Then it is started again, as after a power cut: the old or the
 * new release runs, whole, and the same update again ends with the new one.
 */
export async function interruptUpdates(request: InterruptionRequest): Promise<Interruptions> {
  const result: Interruptions = { old: 0, new: 0, failures: [] };
  const bench = await Bench.make(request);
  try {
    const duration = await updateTime(bench);
    const { seed, cuts, kills } = request;
    // All alike: numbers of fast-check lie near their ends otherwise.
    const thousandths = fc.noBias(fc.integer({ min: 0, max: 1150 }));
    const moments = fc.sample(thousandths, { numRuns: cuts + kills, seed }).map((each) => each / 1000);
    await cutPower(bench, duration, moments.slice(0, cuts), result);
    await kill(bench, duration, moments.slice(cuts), result);
  } finally {
    await bench.close();
  }
  return result;
}

/** Of an update that nothing interrupts, in milliseconds. */
async function updateTime(bench: Bench): Promise<number> {
  bench.disk.clone('ready', 'whole');
  const device = await bench.boot('whole');
  const began = performance.now();
  await device.expect('apply', bench.bundle);
  const duration = performance.now() - began;
  await bench.recover(device);
  await bench.shutDown();
  bench.disk.forget('whole');
  return duration;
}

/** Of one update as many moments are kept; then the next begins. */
const cutsAtOnce = 10;

/** Keeps what the disk has at each moment, parts of the time of an update. */
async function cutPower(bench: Bench, duration: number, moments: number[], result: Interruptions): Promise<void> {
  for (let from = 0; from < moments.length; from += cutsAtOnce) {
    const cuts = moments.slice(from, from + cutsAtOnce).toSorted((a, b) => a - b);
    bench.disk.clone('ready', 'updating');
    const device = await bench.boot('updating');
    const began = performance.now();
    const applied = device.call('apply', bench.bundle);
    for (const [at, moment] of cuts.entries()) {
      await sleep(Math.max(0, began + moment * duration - performance.now()));
      bench.disk.clone('updating', `cut-${at}`);
    }
    await applied;
    await bench.shutDown();
    bench.disk.forget('updating');
    for (const [at, moment] of cuts.entries()) {
      try {
        const restarted = await bench.boot(`cut-${at}`);
        // This machine was not started since; a device that lost its power was.
        const unsynced = join(restarted.state, 'app/unsynced');
        if (existsSync(unsynced)) writeFileSync(unsynced, 'of the start before\n');
        result[await bench.recover(restarted)]++;
      } catch (error) {
        result.failures.push(`power cut at ${moment.toFixed(4)} of an update: ${(error as Error).message}`);
      }
      await bench.shutDown();
      bench.disk.forget(`cut-${at}`);
    }
  }
}

/** SIGKILL for the applier, the engine, or both; an engine that was killed is started again. */
async function kill(bench: Bench, duration: number, moments: number[], result: Interruptions): Promise<void> {
  for (const [at, moment] of moments.entries()) {
    const victims = (['applier', 'engine', 'both'] as const)[at % 3]!;
    bench.disk.clone('ready', 'killed');
    try {
      const device = await bench.boot('killed');
      if (victims === 'engine') {
        const applied = device.call('apply', bench.bundle);
        await sleep(moment * duration);
        killEngine(bench.engine!);
        await applied;
      } else {
        await device.killed(bench.bundle, (since) => since >= moment * duration);
        if (victims === 'both') killEngine(bench.engine!);
      }
      if (victims !== 'applier') await bench.stopEngine();
      result[await bench.recover(victims === 'applier' ? device : await bench.startEngine())]++;
    } catch (error) {
      result.failures.push(`${victims} killed at ${moment.toFixed(4)} of an update: ${(error as Error).message}`);
    }
    await bench.shutDown();
    bench.disk.forget('killed');
  }
}

function killEngine({ socket }: RunningEngine): void {
  for (const name of ['docker.pid', 'containerd.pid']) {
    process.kill(Number(readFileSync(join(dirname(socket), name), 'utf8')), 'SIGKILL');
  }
}
