import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ImageToLoad } from '../../src/engine/engine.ts';
import { loadImage } from '../../src/engine/load-archive.ts';
import { Failure } from '../../src/failure.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { mediaType } from '../../src/oci/media-type.ts';
import { stored } from '../store/content.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imgbuild-load-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A docker client of a few lines; what `load` reads becomes the file `archive`. */
async function clientOf(cases: string) {
  const program = join(folder, 'docker');
  await writeFile(program, `#!/bin/sh\ncd ${folder}\ncase "$*" in\n${cases}\nesac\n`, { mode: 0o755 });
  return { program, env: process.env };
}

const layers = ['one', 'two'].map((text) => Buffer.from(text.repeat(100_000)));
const diffIds = layers.map(digestOf);
const config = Buffer.from(JSON.stringify({ os: 'linux', architecture: 'amd64', rootfs: { diff_ids: diffIds } }));
const described = (bytes: Buffer, type: string): Descriptor => ({
  mediaType: type,
  digest: digestOf(bytes),
  size: bytes.length,
});
const manifest = stored({
  schemaVersion: 2,
  mediaType: mediaType.manifest,
  config: described(config, mediaType.config),
  layers: layers.map((layer) => described(layer, mediaType.layerTar)),
});
const image: ImageToLoad = {
  descriptor: manifest.descriptor,
  manifest: manifest.bytes,
  openBlob: async ({ digest }) => Readable.from([[config, ...layers].find((bytes) => digestOf(bytes) === digest)!]),
};
const { signal } = new AbortController();

test('bytes that cannot be read tell why themselves, not a daemon to which they break off', async () => {
  const client = await clientOf('load*) cat > archive; echo unexpected EOF >&2; exit 1;;');
  const broken: ImageToLoad = {
    ...image,
    openBlob: async (blob) => {
      if (blob.digest === described(config, mediaType.config).digest) return Readable.from([config]);
      throw new Failure({ doing: 'reading a blob', because: 'it is damaged' });
    },
  };
  await expect(loadImage(client, 'containerd', broken, 'a:b', signal)).rejects.toThrow('it is damaged');
});

test('a daemon that refuses tells why itself, whatever became of the pipe', async () => {
  const client = await clientOf('load*) exec <&-; echo no space left on device >&2; exit 1;;');
  const loading = loadImage(client, 'containerd', image, 'a:b', signal);
  await expect(loading).rejects.toMatchObject({ because: 'no space left on device' });
});

test('what the images of the daemon have is not sent, although one of them went away meanwhile', async () => {
  const client = await clientOf(
    [
      'load*) cat > archive;;',
      '"image ls"*) echo sha256:gone; echo sha256:base;;',
      `*sha256:base) echo '${JSON.stringify(diffIds.slice(0, 1))}'; echo No such image >&2; exit 1;;`,
      `*) echo '${JSON.stringify(diffIds)}';;`,
    ].join('\n'),
  );
  await loadImage(client, 'classic', image, 'a:b', signal);
  const archive = await readFile(join(folder, 'archive'));
  expect(layers.map((layer) => archive.includes(layer))).toEqual([false, true]);
});
