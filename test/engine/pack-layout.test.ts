import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { KnownLayers } from '../../src/engine/engine.ts';
import { blobFile, writeFolderImage } from '../../src/engine/oci-folder.ts';
import { packLayout, standIn } from '../../src/engine/pack-layout.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { digestOf, hexOf } from '../../src/oci/digest.ts';
import { mediaType } from '../../src/oci/media-type.ts';
import { run } from '../../src/process/run.ts';

const platform = { os: 'linux', architecture: 'amd64' };
const epoch = 1_577_836_800;
const none: KnownLayers = { diffIds: [], descriptors: [] };
let work: string;
let folder: string;
beforeEach(async () => {
  work = await mkdtemp(join(tmpdir(), 'imgbuild-test-'));
  folder = join(work, 'layout');
  await mkdir(join(folder, 'blobs/sha256'), { recursive: true });
});
afterEach(() => rm(work, { recursive: true }));

/** A filesystem layer with one file of today, packed by tar itself. */
async function layerTar(name: string): Promise<Buffer> {
  const root = join(work, `root-${name}`);
  await mkdir(root);
  await writeFile(join(root, name), `contents of ${name}\n`);
  return (await run('tar', ['-C', root, '-cf', '-', '.'])).stdout;
}

async function blob(type: string, bytes: Buffer): Promise<Descriptor> {
  const digest = digestOf(bytes);
  await writeFile(blobFile(folder, digest), bytes);
  return { mediaType: type, digest, size: bytes.length };
}

/** What a builder leaves: filesystem layers as they come, a config of its own. */
async function built(tars: readonly Buffer[], layers: readonly Descriptor[]): Promise<void> {
  const config = { ...platform, config: { Env: ['A=b'] }, rootfs: { type: 'layers', diff_ids: tars.map(digestOf) } };
  await writeFolderImage(folder, { layers, config: Buffer.from(JSON.stringify(config)), platform });
}

const pack = (base: KnownLayers) =>
  packLayout({
    folder,
    layer: 'service',
    platform,
    base,
    sourceDateEpoch: epoch,
    signal: new AbortController().signal,
  });

/** Seconds by name, as tar lists them. */
async function listedTimes(): Promise<Record<string, number>> {
  const index = JSON.parse(await readFile(join(folder, 'index.json'), 'utf8')) as { manifests: Descriptor[] };
  const manifest = JSON.parse(await readFile(blobFile(folder, index.manifests[0]!.digest), 'utf8')) as {
    layers: Descriptor[];
  };
  const times: Record<string, number> = {};
  for (const { digest } of manifest.layers) {
    const listed = await run('tar', ['--full-time', '--utc', '-tvzf', blobFile(folder, digest)]);
    for (const line of listed.stdout.toString().trim().split('\n')) {
      const [, , , date, time, name] = line.split(/\s+/);
      times[name!] = Date.parse(`${date}T${time}Z`) / 1000;
    }
  }
  return times;
}

describe('what a builder wrote is packed', () => {
  it.each([
    ['bare', mediaType.layerTar, (tar: Buffer) => tar],
    ['gzip', mediaType.layerGzip, (tar: Buffer) => gzipSync(tar)],
    ['zstd', mediaType.layerZstd, (tar: Buffer) => zstdCompressSync(tar)],
  ])('out of %s tars, with no time after the epoch', async (_name, type, compress) => {
    const tars = [await layerTar('one'), await layerTar('two')];
    await built(tars, await Promise.all(tars.map((tar) => blob(type, compress(tar)))));
    const image = await pack(none);
    expect(image.diffIds).not.toEqual(tars.map(digestOf));
    expect(await listedTimes()).toEqual({ './': epoch, './one': epoch, './two': epoch });
    const manifest = JSON.parse(await readFile(blobFile(folder, image.descriptor.digest), 'utf8')) as {
      config: Descriptor;
      layers: Descriptor[];
    };
    const named = [image.descriptor, manifest.config, ...manifest.layers].map(({ digest }) => hexOf(digest));
    expect(await readdir(join(folder, 'blobs/sha256'))).toEqual(expect.arrayContaining(named));
    expect((await readFile(blobFile(folder, manifest.config.digest), 'utf8')).includes('"A=b"')).toBe(true);
  });

  it('on a base whose filesystem layers stay as they are and need not be there', async () => {
    const tars = [await layerTar('base'), await layerTar('own')];
    const descriptors = [{ mediaType: mediaType.layerGzip, digest: digestOf(gzipSync(tars[0]!)), size: 99 }];
    const base: KnownLayers = { diffIds: [digestOf(tars[0]!)], descriptors };
    const placeholders = await standIn(folder, base);
    expect(await readdir(join(folder, 'blobs/sha256'))).toEqual([hexOf(descriptors[0]!.digest)]);
    await placeholders.remove();
    expect(await readdir(join(folder, 'blobs/sha256'))).toEqual([]);
    await built(tars, [descriptors[0]!, await blob(mediaType.layerTar, tars[1]!)]);
    const image = await pack(base);
    expect(image.diffIds[0]).toBe(base.diffIds[0]);
    expect(image.diffIds[1]).not.toBe(digestOf(tars[1]!));
    const manifest = JSON.parse(await readFile(blobFile(folder, image.descriptor.digest), 'utf8')) as {
      layers: Descriptor[];
    };
    expect(manifest.layers[0]).toEqual(descriptors[0]);
  });

  it("a daemon's base is compressed with its times as they are", async () => {
    const tars = [await layerTar('base'), await layerTar('own')];
    await built(tars, await Promise.all(tars.map((tar) => blob(mediaType.layerTar, tar))));
    const image = await pack({ diffIds: [digestOf(tars[0]!)], descriptors: [] });
    expect(image.diffIds[0]).toBe(digestOf(tars[0]!));
    const times = await listedTimes();
    expect(times['./own']).toBe(epoch);
    expect(times['./base']).toBeGreaterThan(epoch);
  });

  it('and refused where it does not begin with its base', async () => {
    const tars = [await layerTar('base'), await layerTar('own')];
    await built(tars, await Promise.all(tars.map((tar) => blob(mediaType.layerTar, tar))));
    await expect(pack({ diffIds: [digestOf('another')], descriptors: [] })).rejects.toThrow(
      /building service: filesystem layer 1 of the result is/,
    );
  });

  it('with one filesystem layer several times, as steps without changes leave it', async () => {
    const tars = [await layerTar('one'), await layerTar('two')];
    const layers = await Promise.all(tars.map((tar) => blob(mediaType.layerTar, tar)));
    await built([tars[0]!, tars[1]!, tars[0]!], [layers[0]!, layers[1]!, layers[0]!]);
    const image = await pack(none);
    expect(image.diffIds[2]).toBe(image.diffIds[0]);
    expect(Object.keys(await listedTimes())).toEqual(['./', './one', './two']);
  });

  it('with a filesystem layer that the base has too, which the builder did not send', async () => {
    const tars = [await layerTar('same'), await layerTar('own')];
    const shared = { mediaType: mediaType.layerGzip, digest: digestOf(gzipSync(tars[0]!)), size: 99 };
    const base: KnownLayers = { diffIds: [digestOf(tars[0]!)], descriptors: [shared] };
    await built([tars[0]!, tars[1]!, tars[0]!], [shared, await blob(mediaType.layerTar, tars[1]!), shared]);
    const { diffIds } = await pack(base);
    expect([diffIds[0], diffIds[2]]).toEqual([base.diffIds[0], base.diffIds[0]]);
  });

  it('and damaged blobs are an error', async () => {
    const tars = [await layerTar('one')];
    const packed = zstdCompressSync(tars[0]!);
    const layer = await blob(mediaType.layerZstd, packed);
    await built(tars, [layer]);
    await writeFile(blobFile(folder, layer.digest), packed.subarray(0, packed.length - 9));
    await expect(pack(none)).rejects.toThrow();
    await rm(blobFile(folder, layer.digest));
    await expect(pack(none)).rejects.toThrow(/ENOENT/);
  });

  it('the same twice gives the same image', async () => {
    const tars = [await layerTar('one')];
    const layers = await Promise.all(tars.map((tar) => blob(mediaType.layerTar, tar)));
    await built(tars, layers);
    const first = await pack(none);
    await blob(mediaType.layerTar, tars[0]!);
    await built(tars, layers);
    expect(await pack(none)).toEqual(first);
  });
});
