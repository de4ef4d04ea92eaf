import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, existsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { applyBundle } from '../../src/delta/apply/apply.ts';
import { makeDelta } from '../../src/delta/make.ts';
import { connectEngine, type DockerEngine } from '../../src/image-source/docker-engine.ts';
import { openImages } from '../../src/image-source/open.ts';
import { hostPlatform } from '../../src/oci/platform.ts';
import { runChecked } from '../../src/process/run.ts';
import { generateSigningKey } from '../../src/signing/generate-key.ts';
import { silent } from '../../src/progress.ts';
import {
  noise,
  sampleTar,
  writeDockerArchive,
  writeOciArchive,
  type SampleImage,
  type SampleOptions,
} from './sample-image.ts';

const engines = inject('engines');
const rootfs = inject('rootfs');
const signal = new AbortController().signal;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'imgbuild-apply-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const openOptions = () => ({
  directory: folder,
  platform: hostPlatform(),
  store: async () => {
    throw new Error('no release is named here');
  },
});

async function deltaBetween(from: string, to: string, output = 'delta.ota.tar'): Promise<string> {
  const [old, target] = [await openImages(from, openOptions()), await openImages(to, openOptions())];
  try {
    const path = join(folder, output);
    await makeDelta({ from: old, to: target, output: path, progress: silent, signal });
    return path;
  } finally {
    await old.close();
    await target.close();
  }
}

const big = noise(3_000_000, 'model');
const library = noise(400_000, 'library');
const changedLibrary = Buffer.from(library);
for (let at = 0; at < library.length; at += 997) changedLibrary[at]! ^= 1;

function layers(base: Buffer) {
  return {
    base,
    old: sampleTar([
      { name: 'app/', folder: true },
      { name: 'app/model.bin', bytes: big },
      { name: 'app/lib.so.1', bytes: library },
      { name: 'app/answer', bytes: 'old\n' },
      { name: 'app/gone', bytes: 'gone\n' },
    ]),
    new: sampleTar([
      { name: 'srv/', folder: true },
      { name: 'srv/model.bin', bytes: big },
      { name: 'app/', folder: true },
      { name: 'app/lib.so.2', bytes: changedLibrary },
      { name: 'app/answer', bytes: 'new\n' },
    ]),
    top: sampleTar([
      { name: 'etc/', folder: true },
      { name: 'etc/app.conf', bytes: 'workers: 4\n' },
    ]),
  };
}

for (const which of ['classic', 'current'] as const) {
  const offered = engines[which];
  describe.skipIf(!offered.available)(
    `an update in the ${which === 'classic' ? 'classic' : 'containerd'} store`,
    () => {
      const env = offered.available ? offered.env : {};
      const engine: DockerEngine = connectEngine(env);
      const docker = (...args: string[]) => runChecked('docker', args, { env });
      const base = () => readFileSync(rootfs.tiny);
      /** Loads an image as a device has it and forgets it afterwards. */
      const load = async (
        write: typeof writeOciArchive | typeof writeDockerArchive,
        parts: Buffer[],
        options: SampleOptions,
        tag: string,
      ) => {
        const file = join(folder, 'load.tar');
        const image = write(file, parts, { ...options, reference: `docker.io/${tag}`, tags: [tag] } as SampleOptions);
        await docker('load', '-i', file);
        return image;
      };
      const apply = async (path: string) => {
        const applied = await applyBundle({
          path,
          trust: 'anyone',
          engine,
          state: join(folder, 'state'),
          progress: silent,
          signal,
        });
        for (const { id } of applied.images) made.add(id);
        return applied;
      };
      const answer = (reference: string) =>
        docker(
          'run',
          '--rm',
          '--network',
          'none',
          reference,
          '/bin/sh',
          '-c',
          'cat /app/answer; cat /srv/model.bin | wc -c',
        );
      // Other tests use the same engine: only what is made here is removed.
      const unique = `ota-${randomBytes(4).toString('hex')}`;
      const app = `${unique}/app`;
      const made = new Set<string>();
      const clean = async () => {
        for (const id of await engine.list()) {
          const image = await engine.inspect(id);
          if (image?.tags.some((tag) => tag.startsWith(unique))) made.add(id);
        }
        for (const id of made) await docker('rmi', '--force', id).catch(() => '');
        made.clear();
      };
      afterEach(clean);

      async function expectUpdated(image: SampleImage, reference: string): Promise<void> {
        const inspected = await engine.inspect(reference);
        expect(inspected?.diffIds).toEqual(image.diffIds);
        if (which === 'classic') expect(inspected?.id).toBe(image.config);
        // What the engine has is asked for in another way too: the config inside what it saves.
        const saved = await openImages(`docker-daemon:${reference}`, { ...openOptions(), environment: env });
        expect(saved.images[0]!.config.descriptor.digest).toBe(image.config);
        for await (const chunk of saved.images[0]!.layers.at(-1)!.tar()) void chunk;
        await saved.close();
      }

      // 20.10 loads no OCI archives.
      const kinds = which === 'classic' ? (['docker-archive'] as const) : (['docker-archive', 'oci-archive'] as const);
      const asLoaded = which === 'classic' ? writeDockerArchive : writeOciArchive;
      test.each(kinds)(
        'ends with the exact diffIDs and config of the new image (old one loaded from %s)',
        async (kind) => {
          const parts = layers(base());
          const write = kind === 'docker-archive' ? writeDockerArchive : writeOciArchive;
          await load(write, [parts.base, parts.old], { env: ['V=1', 'PATH=/bin'] }, `${app}:1`);
          writeOciArchive(join(folder, 'old.tar'), [parts.base, parts.old], { env: ['V=1', 'PATH=/bin'] });
          const target = writeOciArchive(join(folder, 'new.tar'), [parts.base, parts.new, parts.top], {
            env: ['V=2', 'PATH=/bin'],
            reference: `${app}:2`,
          });
          const path = await deltaBetween('oci-archive:old.tar', 'oci-archive:new.tar');
          const applied = await apply(path);
          expect(applied.images).toMatchObject([{ reference: `${app}:2`, config: target.config, outcome: 'loaded' }]);
          await expectUpdated(target, `${app}:2`);
          expect(await answer(`${app}:2`)).toBe('new\n3000000\n');
          expect(JSON.parse(readFileSync(join(folder, 'state/app/current'), 'utf8'))).toEqual({
            schema: 1,
            version: '2',
            images: { [app]: { config: target.config, platform: `linux/${hostPlatform().architecture}` } },
          });
          // Once more changes nothing.
          expect((await apply(path)).images[0]!.outcome).toBe('present');
          await expectUpdated(target, `${app}:2`);
          expect(readdirSync(join(folder, 'state/app')).filter((name) => name.startsWith('.imgbuild'))).toEqual([]);
        },
      );

      test('only the config changed', async () => {
        const parts = layers(base());
        await load(asLoaded, [parts.base, parts.old], { env: ['V=1', 'PATH=/bin'] }, `${app}:1`);
        writeOciArchive(join(folder, 'old.tar'), [parts.base, parts.old], { env: ['V=1', 'PATH=/bin'] });
        const target = writeOciArchive(join(folder, 'new.tar'), [parts.base, parts.old], {
          env: ['V=2', 'PATH=/bin'],
          reference: `${app}:2`,
        });
        await apply(await deltaBetween('oci-archive:old.tar', 'oci-archive:new.tar'));
        await expectUpdated(target, `${app}:2`);
      });

      test('a known filesystem layer on a new one', async () => {
        const parts = layers(base());
        await load(asLoaded, [parts.base, parts.old], {}, `${app}:1`);
        writeOciArchive(join(folder, 'old.tar'), [parts.base, parts.old]);
        const target = writeOciArchive(join(folder, 'new.tar'), [parts.base, parts.top, parts.old], {
          reference: `${app}:2`,
        });
        await apply(await deltaBetween('oci-archive:old.tar', 'oci-archive:new.tar'));
        await expectUpdated(target, `${app}:2`);
      });

      test('from one built and saved by the engine to another, by a tag that moves', async () => {
        await docker('import', rootfs.tiny, `${unique}/base:1`);
        const build = async (text: string) => {
          const context = mkdtempSync(join(folder, 'context-'));
          const commands = `mkdir -p /app /srv && echo ${text} > /app/answer && seq 1 200000 > /srv/model.bin`;
          writeFileSync(join(context, 'Dockerfile'), `FROM ${unique}/base:1\nRUN ${commands}\n`);
          await docker('build', '-q', '-t', `${app}:latest`, context);
          const file = join(folder, `${text}.tar`);
          await docker('save', '-o', file, `${app}:latest`);
          return file;
        };
        await build('old');
        await build('new');
        const path = await deltaBetween('docker-archive:old.tar', 'docker-archive:new.tar');
        await clean();
        await docker('load', '-i', join(folder, 'old.tar'));
        const before = await engine.inspect(`${app}:latest`);
        await apply(path);
        const after = await engine.inspect(`${app}:latest`);
        expect(after?.diffIds).not.toEqual(before?.diffIds);
        expect(
          await docker(
            'run',
            '--rm',
            '--network',
            'none',
            `${app}:latest`,
            '/bin/sh',
            '-c',
            'cat /app/answer; wc -l < /srv/model.bin',
          ),
        ).toBe('new\n200000\n');
      });

      test('wrong source image: the old state and a clear error', async () => {
        const parts = layers(base());
        await load(asLoaded, [parts.base, parts.top], {}, `${app}:1`);
        writeOciArchive(join(folder, 'old.tar'), [parts.base, parts.old]);
        writeOciArchive(join(folder, 'new.tar'), [parts.base, parts.new], { reference: `${app}:2` });
        const path = await deltaBetween('oci-archive:old.tar', 'oci-archive:new.tar');
        await expect(apply(path)).rejects.toThrow(/has no image sha256:[0-9a-f]{64}, from which it starts/);
        expect(await engine.inspect(`${app}:2`)).toBeUndefined();
        expect(existsSync(join(folder, 'state/app/current'))).toBe(false);
      });

      test('a signature is asked for; nothing is loaded without a good one', async () => {
        const parts = layers(base());
        await load(asLoaded, [parts.base, parts.old], {}, `${app}:1`);
        writeOciArchive(join(folder, 'old.tar'), [parts.base, parts.old]);
        writeOciArchive(join(folder, 'new.tar'), [parts.base, parts.new], { reference: `${app}:2` });
        const path = await deltaBetween('oci-archive:old.tar', 'oci-archive:new.tar');
        const keyring = join(folder, 'keys.asc');
        writeFileSync(keyring, (await generateSigningKey('Someone')).publicKey);
        const request = { path, engine, state: join(folder, 'state'), progress: silent, signal };
        await expect(applyBundle({ ...request, trust: { keyring } })).rejects.toThrow(/it is not signed/);
        expect(await engine.inspect(`${app}:2`)).toBeUndefined();
        expect(existsSync(join(folder, 'state'))).toBe(false);
      });

      test('a failing load, an image that is not what it should be, an interrupt: the old state, and nothing is left', async () => {
        const parts = layers(base());
        await load(asLoaded, [parts.base, parts.old], {}, `${app}:1`);
        writeOciArchive(join(folder, 'old.tar'), [parts.base, parts.old]);
        const target = writeOciArchive(join(folder, 'new.tar'), [parts.base, parts.new], { reference: `${app}:2` });
        const path = await deltaBetween('oci-archive:old.tar', 'oci-archive:new.tar');
        const request = { path, trust: 'anyone' as const, state: join(folder, 'state'), progress: silent, signal };
        const expectOld = async () => {
          expect(await engine.inspect(`${app}:2`)).toBeUndefined();
          expect((await engine.inspect(`${app}:1`))?.diffIds).toHaveLength(2);
          expect(existsSync(join(folder, 'state', app.split('/').at(-1)!, 'current'))).toBe(false);
          const left = readdirSync(join(folder, 'state', 'app'));
          expect(left.filter((name) => name.startsWith('.imgbuild'))).toEqual([]);
        };
        // Docker takes the archive and keeps nothing of it.
        const deaf = { ...engine, load: async () => ['Loaded image'] };
        await expect(applyBundle({ ...request, engine: deaf })).rejects.toThrow(
          /has no image sha256:[0-9a-f]{64} afterwards/,
        );
        await expectOld();
        // The last byte of the archive's last filesystem layer is another one.
        const damaging: DockerEngine = {
          ...engine,
          load: (archive, aborted) =>
            engine.load(
              (async function* () {
                for await (const chunk of archive) {
                  const at = chunk.indexOf('new\n');
                  yield at < 0
                    ? chunk
                    : Buffer.concat([chunk.subarray(0, at), Buffer.from('NEW\n'), chunk.subarray(at + 4)]);
                }
              })(),
              aborted,
            ),
        };
        await expect(applyBundle({ ...request, engine: damaging })).rejects.toThrow(/loading/);
        await expectOld();
        const controller = new AbortController();
        const stopping: DockerEngine = {
          ...engine,
          load: (archive, aborted) =>
            engine.load(
              (async function* () {
                for await (const chunk of archive) {
                  yield chunk;
                  controller.abort(new Error('stopped'));
                }
              })(),
              aborted,
            ),
        };
        await expect(applyBundle({ ...request, engine: stopping, signal: controller.signal })).rejects.toThrow(
          'stopped',
        );
        await expectOld();
        await apply(path);
        await expectUpdated(target, `${app}:2`);
      });

      test('two images in one bundle, and `current` moves once', async () => {
        const parts = layers(base());
        const other = sampleTar([{ name: 'other', bytes: noise(90_000, 'other') }]);
        const otherNew = sampleTar([{ name: 'other.2', bytes: noise(90_000, 'other') }]);
        await load(asLoaded, [parts.base, parts.old], {}, `${app}:1`);
        await load(asLoaded, [parts.base, other], {}, `${unique}/second:1`);
        const write = (name: string, tars: Buffer[], reference: string) =>
          writeOciArchive(join(folder, name), tars, { reference });
        write('a1', [parts.base, parts.old], `${app}:1`);
        write('b1', [parts.base, other], `${unique}/second:1`);
        const targets = [
          write('a2', [parts.base, parts.new], `${app}:2`),
          write('b2', [parts.base, otherNew], `${unique}/second:2`),
        ];
        const set = async (version: string) => {
          const images = await Promise.all(
            [`a${version}`, `b${version}`].map(
              async (name) => (await openImages(`oci-archive:${name}`, openOptions())).images[0]!,
            ),
          );
          return {
            name: version,
            version,
            images,
            close: async () => void (await Promise.all(images.map((image) => image.close()))),
          };
        };
        const [from, to] = [await set('1'), await set('2')];
        const path = join(folder, 'two.ota.tar');
        await makeDelta({ from, to, output: path, name: 'two', progress: silent, signal });
        await from.close();
        await to.close();
        const applied = await apply(path);
        expect(applied.images.map(({ reference }) => reference)).toEqual([`${app}:2`, `${unique}/second:2`]);
        await expectUpdated(targets[0]!, `${app}:2`);
        await expectUpdated(targets[1]!, `${unique}/second:2`);
        const current = JSON.parse(readFileSync(join(folder, 'state/two/current'), 'utf8'));
        expect(Object.keys(current.images)).toEqual([app, `${unique}/second`]);
      });

      test('a foreign delta, made by the public tool', async () => {
        const vectors = join(import.meta.dirname, '../fixtures/oci-delta');
        await docker('load', '-i', join(vectors, 'old.oci.tar')).catch(async () => {
          // 20.10 loads no OCI archives: the same image as docker save would write it.
          const old = await openImages(`oci-archive:${join(vectors, 'old.oci.tar')}`, openOptions());
          await loadPlain(engine, old.images[0]!);
          await old.close();
        });
        const applied = await apply(join(vectors, 'delta.oci-delta.tar'));
        const inspected = await engine.inspect(applied.images[0]!.id);
        expect(inspected?.diffIds).toEqual(applied.images[0]!.diffIds);
      });
    },
  );
}

async function loadPlain(
  engine: DockerEngine,
  image: import('../../src/image-source/image.ts').SourceImage,
): Promise<void> {
  const tars: Buffer[] = [];
  for (const layer of image.layers) {
    const parts: Buffer[] = [];
    for await (const chunk of layer.tar()) parts.push(chunk);
    tars.push(Buffer.concat(parts));
  }
  const names = tars.map((_, at) => `${at}/layer.tar`);
  const archive = sampleTar([
    ...tars.map((bytes, at) => ({ name: names[at]!, bytes })),
    { name: 'config.json', bytes: image.config.bytes },
    { name: 'manifest.json', bytes: JSON.stringify([{ Config: 'config.json', RepoTags: null, Layers: names }]) },
  ]);
  await engine.load([archive] as unknown as AsyncIterable<Buffer>);
}
