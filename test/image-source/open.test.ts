import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { installPackages } from '../../scripts/support/apt.ts';
import { parseImageName } from '../../src/image-source/image-name.ts';
import { openImages } from '../../src/image-source/open.ts';
import { unzstd } from '../../src/image-source/unzstd.ts';
import { hostPlatform } from '../../src/oci/platform.ts';
import {
  noise,
  sampleTar,
  sampleLayout,
  sha256,
  writeDockerArchive,
  writeOciArchive,
  writeOciFolder,
} from '../delta/sample-image.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'imgbuild-open-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const options = () => ({
  directory: folder,
  platform: hostPlatform(),
  store: async () => {
    throw new Error('no store');
  },
});
const layers = [
  sampleTar([{ name: 'a', bytes: noise(40_000, 1) }]),
  sampleTar([{ name: 'b', bytes: noise(70_000, 2) }]),
  sampleTar([{ name: 'a', bytes: noise(40_000, 1) }]),
];

async function tars(
  name: string,
): Promise<{ diffIds: string[]; read: string[]; config: string; reference: string | undefined }> {
  const set = await openImages(name, options());
  try {
    const image = set.images[0]!;
    const read: string[] = [];
    for (const layer of image.layers) {
      const parts: Buffer[] = [];
      for await (const chunk of layer.tar()) parts.push(chunk);
      read.push(sha256(Buffer.concat(parts)));
      const stored: Buffer[] = [];
      for await (const chunk of layer.blob()) stored.push(chunk);
      expect(sha256(Buffer.concat(stored))).toBe(layer.descriptor.digest);
    }
    expect(sha256(image.manifest.bytes)).toBe(image.manifest.descriptor.digest);
    return {
      diffIds: image.layers.map(({ diffId }) => diffId),
      read,
      config: image.config.descriptor.digest,
      reference: image.reference,
    };
  } finally {
    await set.close();
  }
}

describe('names', () => {
  test.each([
    ['docker://ghcr.io/acme/app:1', { transport: 'docker', reference: 'ghcr.io/acme/app:1' }],
    ['docker-daemon:app:1', { transport: 'docker-daemon', reference: 'app:1' }],
    ['oci:store', { transport: 'oci', path: 'store' }],
    ['oci:./store:service_runtime:fp-12', { transport: 'oci', path: './store', reference: 'service_runtime:fp-12' }],
    ['oci-archive:a.tar', { transport: 'oci-archive', path: 'a.tar' }],
    ['docker-archive:/x/a.tar:app:1', { transport: 'docker-archive', path: '/x/a.tar', reference: 'app:1' }],
    ['1.2.0', { transport: 'release', version: '1.2.0' }],
    ['v1.2.0-rc.1+5', { transport: 'release', version: '1.2.0-rc.1+5' }],
  ])('%s', (text, name) => expect(parseImageName(text)).toEqual(name));

  test.each(['app:1', 'docker:app', 'docker://UPPER', 'oci:', 'docker-daemon:', '', '1.2', 'ftp://x'])(
    '%s is refused with what to write',
    (text) => {
      expect(() => parseImageName(text)).toThrow(
        expect.objectContaining({ kind: 'input', fix: expect.stringContaining('docker-archive:FILE') }),
      );
    },
  );
});

describe('transports', () => {
  test.each(['gzip', 'zstd', 'none'] as const)('oci: and oci-archive: of %s filesystem layers', async (compression) => {
    const image = writeOciFolder(join(folder, 'layout'), layers, { compression, reference: 'app:1' });
    writeOciArchive(join(folder, 'a.tar'), layers, { compression, reference: 'app:1' });
    for (const name of [
      'oci:layout',
      'oci:layout:app:1',
      'oci-archive:a.tar',
      'oci-archive:a.tar:app:1',
      `oci-archive:a.tar:${image.manifest}`,
    ]) {
      expect(await tars(name)).toEqual({
        diffIds: image.diffIds,
        read: image.diffIds,
        config: image.config,
        reference: 'app:1',
      });
    }
  });

  test('docker-archive: as Docker writes it, equal filesystem layers as links', async () => {
    const image = writeDockerArchive(join(folder, 'd.tar'), layers, { tags: ['app:1', 'app:latest'] });
    for (const [name, reference] of [
      ['docker-archive:d.tar', 'app:1'],
      ['docker-archive:d.tar:app:latest', 'app:latest'],
    ] as const) {
      expect(await tars(name)).toEqual({
        diffIds: image.diffIds,
        read: image.diffIds,
        config: image.config,
        reference,
      });
    }
  });

  test('docker-archive: with compressed filesystem layers', async () => {
    const { files, image } = sampleLayout(layers, { compression: 'none' });
    const packed = [gzipSync(layers[0]!), zstdCompressSync(layers[1]!), layers[2]!];
    const saved = [{ Config: 'c.json', RepoTags: null, Layers: ['0.tar.gz', '1.tar.zst', '2.tar'] }];
    writeFileSync(
      join(folder, 'k.tar'),
      sampleTar([
        { name: 'c.json', bytes: files.get(`blobs/sha256/${image.config.slice(7)}`)! },
        ...saved[0]!.Layers.map((name, at) => ({ name, bytes: packed[at]! })),
        { name: 'manifest.json', bytes: JSON.stringify(saved) },
      ]),
    );
    expect((await tars('docker-archive:k.tar')).read).toEqual(image.diffIds);
  });

  test('what skopeo copied', async () => {
    await installPackages(['skopeo'], () => {});
    const image = writeOciArchive(join(folder, 'a.tar'), layers, { reference: 'app:1' });
    const copy = (to: string) =>
      execFileSync('skopeo', ['copy', '--insecure-policy', `oci-archive:${join(folder, 'a.tar')}:app:1`, to], {
        stdio: 'pipe',
      });
    copy(`docker-archive:${join(folder, 's.tar')}:app:2`);
    copy(`oci:${join(folder, 'skopeo')}:x`);
    expect((await tars('docker-archive:s.tar')).read).toEqual(image.diffIds);
    expect((await tars('oci:skopeo:x')).read).toEqual(image.diffIds);
  }, 120_000);

  test('the fixture that another tool reads', async () => {
    const archive = join(import.meta.dirname, '../fixtures/oci-delta/old.oci.tar');
    const set = await openImages(`oci-archive:${archive}`, {
      ...options(),
      platform: { os: 'linux', architecture: 'amd64' },
    });
    expect(set.images[0]!.config.descriptor.digest).toBe(
      'sha256:6d3441cd6a81145501cc8c0ea9e2075decbeedff84ad5615103f76c4ffb46c5f',
    );
    await set.close();
  });
});

describe('what is wrong is said', () => {
  test.each([
    ['oci:none', /no such folder/],
    ['oci-archive:none.tar', /no such file/],
    ['oci-archive:text', /opening .*text/],
    ['oci-archive:a.tar:other', /no image other/],
    ['docker-archive:a.tar:other', /no image other/],
    ['oci:layout', /oci-layout or index\.json is missing/],
  ])('%s', async (name, message) => {
    writeOciArchive(join(folder, 'a.tar'), layers, { reference: 'app:1' });
    writeFileSync(join(folder, 'text'), 'x'.repeat(2000));
    execFileSync('mkdir', ['-p', join(folder, 'layout')]);
    await expect(openImages(name, options())).rejects.toThrow(message);
  });

  test('another platform, and which there are', async () => {
    const { files, image } = sampleLayout(layers);
    const manifest = files.get(`blobs/sha256/${image.manifest.slice(7)}`)!;
    const descriptor = {
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      digest: image.manifest,
      size: manifest.length,
    };
    const index = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: 'application/vnd.oci.image.index.v1+json',
        manifests: [
          { ...descriptor, platform: { os: 'linux', architecture: 's390x' } },
          { ...descriptor, platform: { os: 'unknown', architecture: 'unknown' } },
        ],
      }),
    );
    files.set(`blobs/sha256/${sha256(index).slice(7)}`, index);
    files.set(
      'index.json',
      Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          manifests: [
            { mediaType: 'application/vnd.oci.image.index.v1+json', digest: sha256(index), size: index.length },
          ],
        }),
      ),
    );
    writeFileSync(join(folder, 'i.tar'), sampleTar([...files].map(([name, bytes]) => ({ name, bytes }))));
    await expect(openImages('oci-archive:i.tar', options())).rejects.toThrow(
      expect.objectContaining({ fix: 'give --platform one of linux/s390x' }),
    );
    const set = await openImages('oci-archive:i.tar', {
      ...options(),
      platform: { os: 'linux', architecture: 's390x' },
    });
    expect(set.images[0]!.layers.map(({ diffId }) => diffId)).toEqual(image.diffIds);
    await set.close();
  });

  test('a flipped bit in a filesystem layer, a config, a manifest', async () => {
    const image = writeOciFolder(join(folder, 'layout'), layers);
    for (const digest of [image.manifest, image.config, ...readLayers(image.manifest)]) {
      const path = join(folder, 'layout/blobs/sha256', digest.slice(7));
      const good = readFileSync(path);
      const bad = Buffer.from(good);
      bad[bad.length >> 1]! ^= 1;
      writeFileSync(path, bad);
      await expect(tars('oci:layout')).rejects.toThrow(/digest|unpacked/);
      writeFileSync(path, good.subarray(0, -1));
      await expect(tars('oci:layout')).rejects.toThrow(/bytes instead of|unpacked/);
      writeFileSync(path, good);
    }
    await tars('oci:layout');
  });
  const readLayers = (manifest: string): string[] =>
    JSON.parse(readFileSync(join(folder, 'layout/blobs/sha256', manifest.slice(7)), 'utf8')).layers.map(
      (layer: { digest: string }) => layer.digest,
    );
});

describe('zstd', () => {
  const unpack = async (bytes: Buffer, piece = bytes.length || 1) => {
    const parts: Buffer[] = [];
    const source = (async function* () {
      for (let at = 0; at < bytes.length; at += piece) yield bytes.subarray(at, at + piece);
    })();
    for await (const chunk of unzstd(source, 23)) parts.push(chunk);
    return Buffer.concat(parts);
  };
  const skippable = Buffer.concat([Buffer.from([0x53, 0x2a, 0x4d, 0x18, 5, 0, 0, 0]), Buffer.from('hello')]);

  test('several frames, skippable ones between, in pieces of any size', async () => {
    const texts = [noise(300_000, 1), Buffer.alloc(0), Buffer.alloc(500_000, 'ab'), Buffer.from('x')];
    const packed = Buffer.concat(texts.flatMap((text) => [skippable, zstdCompressSync(text)]));
    for (const piece of [packed.length, 1000, 7])
      expect((await unpack(packed, piece)).equals(Buffer.concat(texts))).toBe(true);
  });

  test.each(['broken off by the reader', 'damaged'])('%s: the source is closed', async (how) => {
    const packed = zstdCompressSync(noise(1_000_000, 1));
    if (how === 'damaged') packed.fill(0xff, 100_000);
    let isOpen = true;
    const source = (async function* () {
      try {
        for (let at = 0; at < packed.length; at += 1000) yield packed.subarray(at, at + 1000);
      } finally {
        isOpen = false;
      }
    })();
    const read = async () => {
      for await (const chunk of unzstd(source, 23)) if (how !== 'damaged' && chunk.length > 0) break;
    };
    await read().catch(() => undefined);
    expect(isOpen).toBe(false);
  });

  test('cut anywhere, or followed by something else, is an error', async () => {
    const packed = Buffer.concat([zstdCompressSync(noise(5000, 1)), zstdCompressSync(noise(5000, 2))]);
    const frame = zstdCompressSync(noise(5000, 1)).length;
    for (let end = 1; end < packed.length; end += 97) {
      if (end !== frame) await expect(unpack(packed.subarray(0, end))).rejects.toThrow();
    }
    await expect(unpack(Buffer.concat([packed, Buffer.from('tail')]))).rejects.toThrow();
  });
});
