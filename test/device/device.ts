import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeDelta } from '../../src/delta/make.ts';
import { openImages } from '../../src/image-source/open.ts';
import { hostPlatform } from '../../src/oci/platform.ts';
import { run, runChecked, type RunResult } from '../../src/process/run.ts';
import { startProgram } from '../../src/process/start.ts';
import { silent } from '../../src/progress.ts';
import { readSigningKey } from '../../src/signing/openpgp.ts';
import type { GeneratedKey } from '../../src/signing/generate-key.ts';
import { writeDockerArchive, writeOciArchive, type SampleImage } from '../delta/sample-image.ts';

/** A release as filesystem layers and an environment variable that makes its config another one. */
export interface SampleRelease {
  layers: Buffer[];
  version: string;
}

/** A device: an engine with the device program, its state in a folder. */
export class Device {
  readonly folder: string;
  readonly state: string;
  readonly app: string;
  readonly #program: string;
  readonly #env: Record<string, string>;
  readonly #key: GeneratedKey;

  constructor(given: { program: string; folder: string; env: Record<string, string>; app: string; key: GeneratedKey }) {
    this.folder = given.folder;
    this.state = join(given.folder, 'state');
    this.app = given.app;
    this.#program = given.program;
    this.#env = given.env;
    this.#key = given.key;
    writeFileSync(join(given.folder, 'keys.asc'), given.key.publicKey);
    this.configure({});
  }

  /**
   * The service is what the health check starts: a container of the release that `current` names. `broken`: that
   * release's check fails. `url`: of the ota.json of the channel `stable`, which the device follows.
   */
  configure({ broken, timeout = '2m', url }: { broken?: string; timeout?: string; url?: string }): void {
    const check = join(this.folder, 'check.sh');
    const current = join(this.state, 'app/current');
    const lines = [
      '#!/bin/sh',
      `[ -e ${current} ] || exit 0`,
      `version=$(sed -n 's/.*"version":"\\([^"]*\\)".*/\\1/p' ${current})`,
      `[ "$version" != "${broken ?? 'none'}" ] || { echo "$version is broken"; exit 3; }`,
      `exec docker run --rm --network none "${this.app}:$version" /bin/sh -c 'grep . /app/answer'`,
    ];
    writeFileSync(check, `${lines.join('\n')}\n`);
    const settings = {
      keyring: join(this.folder, 'keys.asc'),
      restart: '/bin/sh -c echo',
      'health-check': `/bin/sh ${check}`,
      'healthy-for': '0s',
      'health-timeout': timeout,
    };
    const text = Object.entries(settings).map(([key, value]) => `${key} = ${value}\n`);
    if (url !== undefined) text.push(`[app]\nurl = ${url}\nchannel = stable\n`);
    writeFileSync(join(this.folder, 'device.conf'), text.join(''));
  }

  #arguments(args: readonly string[]): string[] {
    const options = ['--config', join(this.folder, 'device.conf'), '--state', this.state];
    return [...args, ...options, '--docker', this.#env['DOCKER_HOST']!];
  }

  call(...args: string[]): Promise<RunResult> {
    return run(this.#program, this.#arguments(args), { env: this.#env });
  }

  /** As `call`, with a file on standard input. */
  piped(path: string, ...args: string[]): Promise<RunResult> {
    return run(this.#program, this.#arguments(args), { env: this.#env, input: readFileSync(path) });
  }

  async expect(...args: string[]): Promise<string> {
    return runChecked(this.#program, this.#arguments(args), { env: this.#env });
  }

  /** Starts an update and kills it, as a power cut would end it, once `when` says so. Whether it was still running. */
  async killed(path: string, when: (since: number) => boolean): Promise<boolean> {
    const child = startProgram(this.#program, this.#arguments(['apply', path]), { env: this.#env });
    child.stdout.resume();
    child.stdin.end();
    const ended = { is: false };
    const exited = child.exited.finally(() => {
      ended.is = true;
    });
    const start = Date.now();
    while (!ended.is && !when(Date.now() - start)) await sleep(1);
    const wasRunning = !ended.is;
    if (wasRunning) process.kill(child.pid!, 'SIGKILL');
    await exited;
    return wasRunning;
  }

  docker(...args: string[]): Promise<string> {
    return runChecked('docker', args, { env: this.#env });
  }

  /** Loads a release as a device has it, in the form that its engine takes. */
  async load(release: SampleRelease): Promise<SampleImage> {
    const file = join(this.folder, 'load.tar');
    const tag = `${this.app}:${release.version}`;
    const options = { env: [`V=${release.version}`, 'PATH=/bin'], tags: [tag] };
    const image = writeDockerArchive(file, release.layers, options);
    await this.docker('load', '-i', file);
    return image;
  }

  /** The bundle of an update, made and proven by `ota diff`. */
  async delta(from: SampleRelease | undefined, to: SampleRelease, signed = true): Promise<string> {
    const write = (name: string, { layers, version }: SampleRelease) => {
      const options = { env: [`V=${version}`, 'PATH=/bin'], reference: `${this.app}:${version}` };
      writeOciArchive(join(this.folder, name), layers, options);
      return openImages(`oci-archive:${name}`, {
        directory: this.folder,
        platform: hostPlatform(),
        store: () => Promise.reject(new Error('no release is named here')),
      });
    };
    const target = { ...(await write('new.tar', to)), version: to.version };
    const none = { name: 'none', images: [], close: async () => {} };
    const source = from === undefined ? none : { ...(await write('old.tar', from)), version: from.version };
    const output = join(this.folder, `${from?.version ?? 'none'}-${to.version}.ota.tar`);
    const signKey = await readSigningKey(Buffer.from(this.#key.privateKey), 'the key');
    await makeDelta({
      from: source,
      to: target,
      output,
      name: 'app',
      progress: silent,
      signal: new AbortController().signal,
      ...(signed && { signKey }),
    });
    await source.close();
    await target.close();
    return output;
  }

  journalStep(): string | undefined {
    try {
      return (JSON.parse(readFileSync(join(this.state, 'app/journal'), 'utf8')) as { step: string }).step;
    } catch {
      return undefined;
    }
  }

  current(): { version: string; images: Record<string, { config: string }> } | undefined {
    const path = join(this.state, 'app/current');
    return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as never) : undefined;
  }

  /** What lies in the project's folder besides the lock. */
  left(): string[] {
    const folder = join(this.state, 'app');
    mkdirSync(folder, { recursive: true });
    return readdirSync(folder).filter((name) => name !== 'lock');
  }
}
