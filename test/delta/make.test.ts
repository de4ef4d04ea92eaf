import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { layerFormats } from '../../src/delta/encode-image.ts';
import type { DeltaRequest } from '../../src/delta/make.ts';
import { ownProver } from '../../src/delta/prove.ts';
import { generateSigningKey } from '../../src/signing/generate-key.ts';
import { readSigningKey } from '../../src/signing/openpgp.ts';
import { wordy } from './deflate/streams.ts';
import { gzipped } from './layer-delta/packed.ts';
import { noise, sampleTar, sha256 } from './sample-image.ts';
import { app, base, folder, make, newApp, put, verify } from '../support/made-bundle.ts';

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

test('what our own format gains nothing by stays in the public one', async () => {
  put('old.tar', [base]);
  put('new.tar', [base, sampleTar([{ name: 'r', bytes: noise(300, 'random') }])], { compression: 'zstd' });
  await make({ format: 'auto' });
  const index = execFileSync('tar', ['-xOf', join(folder, 'out.ota.tar'), 'index.json']).toString();
  expect(index).toContain('application/vnd.io.github.containers.oci-delta.v1');
});

test.each([true, false])('the old filesystem layers lie there for the proof where it reads them: %s', async (reads) => {
  put('old.tar', [base, app]);
  put('new.tar', [base, newApp]);
  const room = { left: 1024 ** 2 };
  let kept: string[] = [];
  let left = 0;
  const prover = {
    ...ownProver(),
    readsOldTars: reads,
    async prove({ temporary }: { temporary: string }) {
      kept = readdirSync(temporary).filter((name) => name.includes('-kept-'));
      left = room.left;
    },
  };
  await make({ prover, room });
  expect(kept).toEqual(reads ? ['0-kept-0', '0-kept-1'] : []);
  expect(left).toBe(reads ? 1024 ** 2 - base.length - app.length : 1024 ** 2);
  expect(room.left).toBe(1024 ** 2);
});
