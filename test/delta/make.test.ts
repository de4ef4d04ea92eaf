import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { installPackages } from '../../scripts/support/apt.ts';
import { openBundle } from '../../src/delta/bundle/read.ts';
import { layerFormats } from '../../src/delta/encode-image.ts';
import { inspectBundle } from '../../src/delta/inspect.ts';
import { makeDelta, type DeltaReport, type DeltaRequest } from '../../src/delta/make.ts';
import { verifyBundle } from '../../src/delta/verify.ts';
import { openImages } from '../../src/image-source/open.ts';
import { generateSigningKey } from '../../src/signing/generate-key.ts';
import { readSigningKey } from '../../src/signing/openpgp.ts';
import { hostPlatform } from '../../src/oci/platform.ts';
import { silent } from '../../src/progress.ts';
import { wordy } from './deflate/streams.ts';
import { gzipped } from './layer-delta/packed.ts';
import { noise, sampleTar, sha256, writeOciArchive, type SampleOptions } from './sample-image.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'imgbuild-make-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const options = () => ({
  directory: folder,
  platform: hostPlatform(),
  store: async () => {
    throw new Error('no release is named here');
  },
});
const base = sampleTar([
  { name: 'bin/', folder: true },
  { name: 'bin/sh', bytes: noise(50_000, 'sh') },
]);
const app = sampleTar([{ name: 'app.py', bytes: noise(30_000, 'app') }]);
const newApp = sampleTar([{ name: 'app.py', bytes: Buffer.concat([noise(30_000, 'app'), Buffer.from('one line')]) }]);

const put = (name: string, layers: Buffer[], image: SampleOptions = {}) =>
  writeOciArchive(join(folder, name), layers, image);

async function make(
  more: Partial<DeltaRequest> = {},
  from = 'oci-archive:old.tar',
  to = 'oci-archive:new.tar',
): Promise<DeltaReport> {
  const old = await openImages(from, options());
  const target = await openImages(to, options());
  try {
    const signal = new AbortController().signal;
    return await makeDelta({
      from: old,
      to: target,
      output: join(folder, 'out.ota.tar'),
      progress: silent,
      signal,
      ...more,
    });
  } finally {
    await old.close();
    await target.close();
  }
}

async function verify(
  path = join(folder, 'out.ota.tar'),
  from = 'oci-archive:old.tar',
  trust: Parameters<typeof verifyBundle>[0]['trust'] = 'anyone',
) {
  const set = await openImages(from, options());
  try {
    return await verifyBundle({
      path,
      from: set,
      trust,
      temporary: folder,
      progress: silent,
      signal: new AbortController().signal,
    });
  } finally {
    await set.close();
  }
}

test('says which version of layer deltas a device must know, before it reads any', async () => {
  const text = wordy(3_000, 1);
  const layerOf = (bytes: Buffer) => [sampleTar([{ name: 'usr/changelog.gz', bytes: gzipped(bytes, 9) }])];
  put('old.tar', layerOf(text));
  put('new.tar', layerOf(Buffer.concat([Buffer.from('a new entry\n'), text])));
  expect(await make({ format: 'imgbuild' })).toMatchObject({ needs: 2 });
  await verify();

  // The same of a later version: its delta manifest has another name.
  const tree = join(folder, 'tree');
  mkdirSync(tree);
  execFileSync('tar', ['-xf', join(folder, 'out.ota.tar'), '-C', tree]);
  const names = execFileSync('tar', ['-tf', join(folder, 'out.ota.tar')])
    .toString()
    .trim()
    .split('\n');
  const manifest = readFileSync(join(tree, names[2]!), 'utf8').replace('ota.needs":"2"', 'ota.needs":"9"');
  const [known, later] = [names[2]!.slice(-64), sha256(Buffer.from(manifest)).slice(7)];
  names[2] = names[2]!.replace(known, later);
  writeFileSync(join(tree, names[2]), manifest);
  writeFileSync(join(tree, 'index.json'), readFileSync(join(tree, 'index.json'), 'utf8').replace(known, later));
  execFileSync('tar', ['--format=ustar', '-cf', join(folder, 'later.ota.tar'), '-C', tree, ...names]);
  await expect(verify(join(folder, 'later.ota.tar'))).rejects.toThrow(
    /version 9 of layer deltas, and this one reads up to /,
  );
});

const inspecting = () => ({ signal: new AbortController().signal, temporary: folder, progress: silent });
const leftovers = () => readdirSync(folder).filter((name) => name.startsWith('.imgbuild'));

describe.each(layerFormats)('cases, format %s', (format) => {
  const makeIt = (more: Partial<DeltaRequest> = {}, from?: string, to?: string) => make({ format, ...more }, from, to);

  test('nothing changed: no filesystem layer is carried', async () => {
    put('old.tar', [base, app]);
    put('new.tar', [base, app]);
    const report = await makeIt();
    expect(report.images[0]!.layers.map(({ kind }) => kind)).toEqual(['reused', 'reused']);
    expect(report.bytes).toBeLessThan(12_000);
    await verify();
  });

  test('only the config changed', async () => {
    put('old.tar', [base, app]);
    const target = put('new.tar', [base, app], { env: ['PATH=/bin', 'V=2'] });
    expect((await makeIt()).images[0]).toMatchObject({
      config: target.config,
      layers: [{ kind: 'reused' }, { kind: 'reused' }],
    });
    expect((await verify()).images[0]!.config).toBe(target.config);
  });

  test('only times changed', async () => {
    const files = [
      { name: 'a', bytes: noise(90_000, 1) },
      { name: 'b', bytes: noise(90_000, 2) },
    ];
    put('old.tar', [sampleTar(files, 1_700_000_000)]);
    put('new.tar', [sampleTar(files, 1_710_000_000)]);
    const [layer] = (await makeIt()).images[0]!.layers;
    expect(layer).toMatchObject({ kind: 'delta' });
    expect(layer!.bytes).toBeLessThan(250);
  });

  test('a filesystem layer inserted below known ones, and two merged', async () => {
    put('old.tar', [base, app]);
    put('new.tar', [sampleTar([{ name: 'first', bytes: 'first' }]), base, app]);
    const [inserted, ...known] = (await makeIt()).images[0]!.layers;
    expect(known.map(({ kind }) => kind)).toEqual(['reused', 'reused']);
    expect(inserted!.bytes).toBeGreaterThan(0);
    expect(inserted!.bytes).toBeLessThanOrEqual(inserted!.pullBytes);
    await verify();
    const merged = sampleTar([
      { name: 'bin/', folder: true },
      { name: 'bin/sh', bytes: noise(50_000, 'sh') },
      { name: 'app.py', bytes: noise(30_000, 'app') },
    ]);
    put('new.tar', [merged]);
    const report = await makeIt();
    expect(report.images[0]!.layers[0]!.bytes).toBeLessThan(300);
    await verify();
  });

  test('empty filesystem layers, one of them twice', async () => {
    put('old.tar', [base, Buffer.alloc(1024)]);
    put('new.tar', [base, Buffer.alloc(1024), app, Buffer.alloc(10_240), Buffer.alloc(10_240)]);
    await makeIt();
    expect((await verify()).images[0]!.diffIds).toHaveLength(5);
  });

  test('a filesystem layer whose delta is not smaller ships as itself', async () => {
    // Compressed harder than a delta's framing allows: a few bytes are more as operations.
    put('old.tar', [base]);
    put('new.tar', [base, sampleTar([{ name: 'r', bytes: noise(400_000, 'random') }])], { compression: 'zstd' });
    const [, layer] = (await makeIt()).images[0]!.layers;
    expect(layer!.bytes).toBeLessThanOrEqual(layer!.pullBytes);
    await verify();
  });

  test.each(['gzip', 'zstd', 'none'] as const)('images of %s filesystem layers', async (compression) => {
    put('old.tar', [base, app], { compression });
    put('new.tar', [base, newApp], { compression });
    expect((await makeIt()).images[0]!.layers[1]!.bytes).toBeLessThan(250);
    await verify();
  });

  test('from nothing: every filesystem layer is carried', async () => {
    put('new.tar', [base, app], { reference: 'app:1' });
    const none = { name: 'none', images: [], close: async () => {} };
    const report = await makeIt({ from: none }, 'oci-archive:new.tar');
    expect(report.images[0]!.layers.map(({ kind }) => kind)).not.toContain('reused');
    await verify(undefined, 'oci-archive:new.tar');
  });

  test('the same inputs give the same bytes', async () => {
    put('old.tar', [base, app]);
    put('new.tar', [base, newApp]);
    const first = await makeIt();
    expect((await makeIt({ output: join(folder, 'again.ota.tar') })).digest).toBe(first.digest);
  });
});

test.each([
  ['oci-delta', 'application/vnd.io.github.containers.oci-delta.v1', ['image-layer']],
  ['imgbuild', 'application/vnd.imgbuild.ota.v1', ['sources', 'image-layer', 'account']],
] as const)(
  'the file begins with what proves the rest: oci-layout, index.json, signature, manifests, then filesystem layers, format %s',
  async (format, artifactType, contents) => {
    put('old.tar', [base, app]);
    const target = put('new.tar', [base, newApp], { reference: 'app:2' });
    const { privateKey } = await generateSigningKey('t <t@example.com>');
    await make({ format, signKey: await readSigningKey(Buffer.from(privateKey), 'the key'), name: 'demo' });
    const names = execFileSync('tar', ['-tf', join(folder, 'out.ota.tar')])
      .toString()
      .trim()
      .split('\n');
    expect(names.slice(0, 3)).toEqual(['oci-layout', 'index.json', 'index.json.asc']);
    const member = (name: string) => execFileSync('tar', ['-xOf', join(folder, 'out.ota.tar'), name]);
    const index = JSON.parse(member('index.json').toString());
    const blob = (digest: string) => member(`blobs/sha256/${digest.slice(7)}`);
    expect(names[3]).toBe(`blobs/sha256/${index.manifests[0].digest.slice(7)}`);
    const delta = JSON.parse(blob(index.manifests[0].digest).toString());
    expect(delta).toMatchObject({
      schemaVersion: 2,
      artifactType,
      config: { mediaType: 'application/vnd.oci.empty.v1+json', size: 2 },
      subject: { digest: target.manifest },
      annotations: {
        'io.github.containers.delta.target': target.manifest,
        'io.github.containers.delta.reused-diff-id': JSON.stringify(target.diffIds.slice(0, 1)),
        'org.imgbuild.ota.name': 'demo',
        'org.imgbuild.ota.reference': 'app:2',
      },
    });
    expect(
      delta.layers.map(
        (layer: { annotations: Record<string, string> }) => layer.annotations['io.github.containers.delta.content'],
      ),
    ).toEqual(['image-manifest', 'image-config', ...contents]);
    const types = delta.layers.slice(2).map((layer: { mediaType: string }) => layer.mediaType);
    const own = ['sources.v1', 'layer-delta.v1', 'account.v1+zstd'].map((name) => `application/vnd.imgbuild.${name}`);
    expect(types).toEqual(format === 'imgbuild' ? own : ['application/vnd.tar-diff']);
    const blobs = delta.layers.slice(2).map((layer: { digest: string }) => `blobs/sha256/${layer.digest.slice(7)}`);
    expect(names.slice(-blobs.length)).toEqual(blobs);
  },
);

describe('what cannot be made leaves nothing behind', () => {
  test.each(['old.tar', 'new.tar'])('a flipped bit in %s', async (name) => {
    put('old.tar', [base, app]);
    put('new.tar', [base, newApp]);
    const bytes = readFileSync(join(folder, name));
    // In the middle of the last blob, which is the manifest; before it config and filesystem layers.
    const offset = bytes.indexOf(Buffer.from([0x1f, 0x8b])) + 2000;
    bytes[offset]! ^= 1;
    writeFileSync(join(folder, name), bytes);
    await expect(make()).rejects.toThrow(/digest|unpacked/);
    expect(readdirSync(folder).toSorted()).toEqual(['new.tar', 'old.tar']);
  });

  test('an interrupt', async () => {
    put('old.tar', [base, app]);
    put('new.tar', [base, newApp]);
    for (const calls of [1, 2, 3, 5]) {
      const controller = new AbortController();
      let seen = 0;
      const progress = {
        ...silent,
        transfer: () => ({
          add: () => {
            if (++seen === calls) controller.abort(new Error('stopped'));
          },
          end() {},
        }),
      };
      await expect(make({ progress, signal: controller.signal })).rejects.toThrow('stopped');
      expect(readdirSync(folder).toSorted()).toEqual(['new.tar', 'old.tar']);
    }
  });

  test('disk full', async () => {
    const small = join(folder, 'small');
    mkdirSync(small);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=300k', 'tmpfs', small], { stdio: 'ignore' });
    } catch {
      // Without the right to mount there is no full disk to be had; one whose folder is gone fails the same way.
      rmSync(small, { recursive: true });
      writeFileSync(small, '');
    }
    try {
      put('old.tar', [base, app]);
      put('new.tar', [base, sampleTar([{ name: 'new', bytes: noise(2_000_000, 'full') }])]);
      await expect(make({ output: join(small, 'out.ota.tar') })).rejects.toThrow(/no space left|ENOTDIR|EEXIST/);
      expect(statSync(small).isFile() ? [] : readdirSync(small)).toEqual([]);
    } finally {
      if (statSync(small).isDirectory()) execFileSync('umount', [small]);
    }
  });
});

describe('damaged bundles', () => {
  test.each(layerFormats)(
    'every cut and flipped byte is an error, or changes nothing that counts, format %s',
    async (format) => {
      put('old.tar', [base, app]);
      const target = put('new.tar', [base, newApp]);
      await make({ format });
      const good = readFileSync(join(folder, 'out.ota.tar'));
      const bad = join(folder, 'bad.ota.tar');
      const problems: string[] = [];
      const attempt = async (bytes: Buffer, what: string) => {
        writeFileSync(bad, bytes);
        const outcome = await verify(bad).catch((error: Error) => error);
        if (outcome instanceof Error ? outcome.name !== 'Failure' : outcome.images[0]!.config !== target.config)
          problems.push(`${what}: ${String(outcome)}`);
      };
      let seed = 1;
      const random = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below;
      for (let round = 0; round < 150; round++) {
        const bytes = Buffer.from(good);
        const at = random(bytes.length);
        bytes[at]! ^= 1 << random(8);
        await attempt(bytes, `flip at ${at}`);
        const end = random(good.length);
        await attempt(good.subarray(0, end), `cut at ${end}`);
      }
      expect(problems).toEqual([]);
      expect(leftovers()).toEqual([]);
    },
    60_000,
  );

  test('wrong source image', async () => {
    put('old.tar', [base, app]);
    put('new.tar', [base, newApp]);
    await make();
    put('other.tar', [base]);
    await expect(verify(undefined, 'oci-archive:other.tar')).rejects.toThrow(/it starts from the image sha256:/);
  });

  test('a whole image is no delta', async () => {
    put('old.tar', [base, app]);
    await expect(verify(join(folder, 'old.tar'))).rejects.toThrow(/not a delta/);
    writeFileSync(join(folder, 'text'), 'hello');
    await expect(verify(join(folder, 'text'))).rejects.toThrow(/no bundle|cut off/);
    await expect(verify(join(folder, 'missing'))).rejects.toThrow(/no such file/);
  });
});

describe('signatures', () => {
  test('unsigned, wrong key, altered and good', async () => {
    put('old.tar', [base, app]);
    put('new.tar', [base, newApp]);
    const [key, other] = [
      await generateSigningKey('Right <r@example.com>'),
      await generateSigningKey('Wrong <w@example.com>'),
    ];
    const keyring = join(folder, 'keys.asc');
    writeFileSync(keyring, key.publicKey);
    await make();
    await expect(verify(undefined, undefined, { keyring })).rejects.toThrow(/it is not signed/);
    await make({ signKey: await readSigningKey(Buffer.from(other.privateKey), 'the key') });
    await expect(verify(undefined, undefined, { keyring })).rejects.toThrow(/which .*keys\.asc does not hold/);
    await make({ signKey: await readSigningKey(Buffer.from(key.privateKey), 'the key') });
    expect((await verify(undefined, undefined, { keyring })).signature!.userId).toBe('Right <r@example.com>');
    const bytes = readFileSync(join(folder, 'out.ota.tar'));
    // The index names another digest: the signature speaks of other bytes.
    const at = bytes.indexOf('"digest":"sha256:') + 20;
    bytes[at] = bytes[at] === 0x30 ? 0x31 : 0x30;
    writeFileSync(join(folder, 'altered.ota.tar'), bytes);
    await expect(verify(join(folder, 'altered.ota.tar'), undefined, { keyring })).rejects.toThrow(
      /verifying the signature/,
    );
  });

  test('gpgv accepts it with the exported key', async () => {
    await installPackages(['gpgv'], () => {});
    put('old.tar', [base, app]);
    put('new.tar', [base, newApp]);
    const key = await generateSigningKey('Right <r@example.com>');
    await make({ signKey: await readSigningKey(Buffer.from(key.privateKey), 'the key') });
    const bundle = await openBundle(join(folder, 'out.ota.tar'), new AbortController().signal);
    writeFileSync(join(folder, 'index.json'), bundle.index);
    writeFileSync(join(folder, 'index.json.asc'), bundle.signature!);
    await bundle.close();
    const ring = join(folder, 'ring.gpg');
    writeFileSync(ring, await unarmoured(key.publicKey));
    execFileSync('gpgv', ['--keyring', ring, join(folder, 'index.json.asc'), join(folder, 'index.json')], {
      stdio: 'pipe',
    });
  });
});

async function unarmoured(text: string): Promise<Uint8Array> {
  const openpgp = await import('openpgp');
  const key = await openpgp.readKey({ armoredKey: text });
  return key.write();
}

test('inspect says what of each file is sent', async () => {
  const model = noise(200_000, 'model');
  const code = noise(60_000, 'code');
  put('old.tar', [
    base,
    sampleTar([
      { name: 'm/a.onnx', bytes: model },
      { name: 'keep', bytes: code },
      { name: 'app.py', bytes: noise(30_000, 'app') },
    ]),
  ]);
  put('new.tar', [
    base,
    sampleTar([
      { name: 'm/b.onnx', bytes: model },
      { name: 'keep', bytes: code },
      { name: 'app.py', bytes: Buffer.concat([noise(30_000, 'app'), Buffer.from('line')]) },
      { name: 'new.txt', bytes: 'quite new' },
    ]),
  ]);
  await make({ format: 'oci-delta' });
  const path = join(folder, 'out.ota.tar');
  await expect(
    inspectBundle(path, 0, { ...inspecting(), signal: AbortSignal.abort(new Error('stopped')) }),
  ).rejects.toThrow('stopped');
  const inspected = await inspectBundle(path, statSync(path).size, inspecting());
  const [first, second] = inspected.images[0]!.layers;
  expect(first).toMatchObject({ kind: 'reused', bytes: 0 });
  const sent = second!.files!.map((file) => ({ ...file, bytes: undefined }));
  expect(sent).toEqual([
    {
      path: 'm/b.onnx',
      change: 'moved',
      source: 'm/a.onnx',
      size: 200_000,
      copied: 200_000,
      added: 0,
      differing: 0,
      literal: 0,
    },
    {
      path: 'keep',
      change: 'unchanged',
      source: 'keep',
      size: 60_000,
      copied: 60_000,
      added: 0,
      differing: 0,
      literal: 0,
    },
    {
      path: 'app.py',
      change: 'changed',
      source: 'app.py',
      size: 30_004,
      copied: 30_000,
      added: 0,
      differing: 0,
      literal: 4,
    },
    { path: 'new.txt', change: 'new', size: 9, copied: 0, added: 0, differing: 0, literal: 9 },
  ]);
  const files = second!.files!.reduce((sum, file) => sum + file.copied! + file.added! + file.literal!, 0);
  expect(files + second!.headers!).toBe(second!.uncompressed);
});

test('inspect accounts for every byte of a bundle, by file', async () => {
  const old = noise(400_000, 'library');
  const text = Buffer.from('the same line again and again\n'.repeat(20_000));
  put('old.tar', [base, sampleTar([{ name: 'lib.so', bytes: old }])]);
  const changed = Buffer.from(old);
  for (let at = 0; at < changed.length; at += 100) changed[at]! ^= 1;
  put('new.tar', [
    base,
    sampleTar([
      { name: 'lib.so', bytes: changed },
      { name: 'log.txt', bytes: text },
      { name: 'weights', bytes: noise(300_000, 'weights') },
    ]),
    sampleTar([{ name: 'other', bytes: noise(100_000, 'other') }]),
  ]);
  await make({ format: 'oci-delta' });
  const path = join(folder, 'out.ota.tar');
  const size = statSync(path).size;
  const { documents, images } = await inspectBundle(path, size, inspecting());
  const layers = images[0]!.layers;
  let sum = documents;
  for (const { bytes, overhead = 0, files = [] } of layers) {
    expect(overhead + files.reduce((total, file) => total + file.bytes, 0)).toBe(bytes);
    sum += bytes;
  }
  expect(sum).toBe(size);
  const costs = new Map(layers.flatMap(({ files = [] }) => files.map((file) => [file.path, file.bytes] as const)));
  // Noise keeps its size; text and the differences of every hundredth byte nearly vanish.
  expect(costs.get('weights')).toBeGreaterThan(290_000);
  expect(costs.get('weights')).toBeLessThan(310_000);
  expect(costs.get('other')).toBeGreaterThan(95_000);
  expect(costs.get('lib.so')).toBeLessThan(20_000);
  expect(costs.get('log.txt')).toBeLessThan(5_000);
});

test('what our own format gains nothing by stays in the public one', async () => {
  put('old.tar', [base]);
  put('new.tar', [base, sampleTar([{ name: 'r', bytes: noise(300, 'random') }])], { compression: 'zstd' });
  await make({ format: 'auto' });
  const index = execFileSync('tar', ['-xOf', join(folder, 'out.ota.tar'), 'index.json']).toString();
  expect(index).toContain('application/vnd.io.github.containers.oci-delta.v1');
});
