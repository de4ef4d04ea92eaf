import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { releaseProject } from '../../src/project/release.ts';
import { silent, type Progress } from '../../src/progress.ts';
import { generateSigningKey } from '../../src/signing/generate-key.ts';
import { readSigningKey, type SigningKey } from '../../src/signing/openpgp.ts';
import { noise } from '../delta/sample-image.ts';
import { imgbuild, startCli, type Ended, type RunningCli } from '../e2e/cli.ts';
import { writeTree } from '../plan/saved-project.ts';
import { startMemoryRegistry, type MemoryRegistry } from '../support/registry-memory.ts';
import { filesOfProject, makeSmallProject, releaseSaved, saveImages, smallProject } from './saved-project.ts';

// Each makes whole releases, or starts whole programs: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 120_000 });

let folder: string;
beforeEach(() => {
  folder = makeSmallProject();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('Ctrl-C while a registry does not answer', () => {
  let registry: MemoryRegistry;
  beforeEach(async () => {
    registry = await startMemoryRegistry();
  });
  afterEach(() => registry.close());
  const env = () => ({ PATH: process.env.PATH, HOME: folder, XDG_CACHE_HOME: join(folder, '.imgbuild/cache') });

  /** Stops the command when it sends such a request, which never is answered. */
  async function stopAt(method: string, path: RegExp, ...args: string[]): Promise<Ended> {
    const cli: { running?: RunningCli } = {};
    registry.fault = (request) => {
      if (request.method !== method || !path.test(request.path)) return undefined;
      cli.running!.interrupt();
      return { delay: 100_000 };
    };
    cli.running = startCli(folder, env(), ...args);
    const ended = await cli.running.ended;
    registry.fault = () => undefined;
    return ended;
  }
  const stopped = { exitCode: 130, stdout: '', stderr: expect.stringContaining('nothing is left half-written') };

  test('for the base of a lock leaves imgbuild.lock as it was', async () => {
    writeTree(folder, {
      'service/Dockerfile': `FROM ${registry.host}/acme/base:1\nCOPY app.txt /\n`,
      'imgbuild.lock': '{"epoch":"service","value":"2026-01"}\n',
    });
    const before = await filesOfProject(folder);
    expect(await stopAt('GET', /acme\/base\/manifests/, 'lock')).toEqual(stopped);
    expect(await filesOfProject(folder)).toEqual(before);
  });

  test.each([
    ['a blob', 'PUT', /blobs\/uploads/],
    ['a tag', 'PUT', /manifests/],
  ])('for %s of a push leaves no tag, and the next push goes on', async (_, method, path) => {
    await saveImages(folder);
    const before = await filesOfProject(folder);
    const push = ['push', 'service', '--tag', 'tested', '--to', `${registry.host}/acme/out`];
    expect(await stopAt(method, path, ...push)).toEqual(stopped);
    expect(registry.manifests.size).toBe(0);
    expect(await filesOfProject(folder)).toEqual(before);
    expect(await imgbuild(folder, env(), ...push)).toMatchObject({ exitCode: 0 });
    expect([...registry.manifests.keys()]).toContain('acme/out/quick_service:tested');
  });

  test.each([
    ['a blob', 'PUT', /blobs\/uploads/],
    ['the artifact', 'PUT', /manifests/],
  ])('for %s of a model leaves no tag, and the next push goes on', async (_, method, path) => {
    const model = 'models:\n  mood: { files: [models/mood], license: Apache-2.0, format: onnx }\n';
    const config = smallProject['imgbuild.yaml'].replace(
      'name: quick\n',
      `name: quick\nstore: ${registry.host}/acme\n`,
    );
    writeTree(folder, { 'imgbuild.yaml': config + model, 'models/mood/net.onnx': noise(300_000, 1).toString('hex') });
    const push = ['models', '--push', '--version', '1.0.0'];
    expect(await stopAt(method, path, ...push)).toEqual(stopped);
    expect([...registry.manifests.keys()].filter((key) => /:(fp-|1\.0\.0)/.test(key))).toEqual([]);
    expect(await imgbuild(folder, env(), ...push)).toMatchObject({ exitCode: 0 });
    expect([...registry.manifests.keys()]).toContain('acme/models/mood:1.0.0');
  });
});

describe('Ctrl-C in a release', () => {
  let signKey: SigningKey;
  beforeAll(async () => {
    const { privateKey } = await generateSigningKey('Demo <demo@example.com>');
    signKey = await readSigningKey(Buffer.from(privateKey), 'the key');
  });

  test.each([
    ['packs a package', /^packing /],
    ['reads the images for a delta', /: reading$/],
    ['encodes a filesystem layer for a delta', /: filesystem layer 1 of 1$/],
    ['applies the delta to prove it', /^proving$/],
  ])('that %s leaves no release and no file, and the next run makes it', async (_, phase) => {
    await releaseSaved(folder, '1.0.0');
    writeTree(folder, { 'service/app.txt': 'two', 'files/a.txt': noise(2_000_000, 2).toString('hex') });
    const project = await saveImages(folder);
    const stop = new AbortController();
    let seen = 0;
    const transfer: Progress['transfer'] = (label) => {
      if (!phase.test(label)) return silent.transfer(label);
      seen++;
      const interrupt = () => stop.abort(new Error('stopped by SIGINT'));
      // In its midst where it tells of bytes, else as it begins.
      if (label === 'proving') interrupt();
      return { add: interrupt, end() {} };
    };
    const output = join(folder, 'out');
    const options = { version: '1.1.0', dryRun: false, frozen: false, output, signKey, onEvent: () => {} };
    const env = { PATH: process.env.PATH, HOME: folder };
    const progress = { ...silent, transfer };
    await expect(releaseProject(project, { ...options, env, progress, signal: stop.signal })).rejects.toThrow(
      'stopped by SIGINT',
    );
    expect(seen).toBeGreaterThan(0);
    expect(readdirSync(folder)).not.toContain('out');
    expect(readdirSync(join(folder, '.imgbuild/release'))).toEqual(['1.0.0']);
    expect(await project.store.listTags('releases')).toEqual(['1.0.0']);
    // The tags that move still stand on the release before.
    const at = async (tag: string) => (await project.store.headManifest('quick_service', tag))?.digest;
    expect([await at('latest'), await at('1.1')]).toEqual([await at('1.0.0'), undefined]);

    const signal = new AbortController().signal;
    const made = await releaseProject(project, { ...options, env, progress: silent, signal });
    expect(made).toMatchObject({ outcome: 'released', missing: [] });
    expect(readFileSync(join(output, 'SHA256SUMS'), 'utf8')).toContain(made.release!.deltas[0]!.sha256);
  });
});
