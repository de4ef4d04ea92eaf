import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digestOf, hexOf, type Digest } from '../../src/oci/digest.ts';
import type { ImageManifest } from '../../src/oci/manifest.ts';
import { mediaType } from '../../src/oci/media-type.ts';
import { readSavedArchive } from '../../src/engine/saved-archive.ts';
import { run } from '../../src/process/run.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imgbuild-test-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** A filesystem layer with one file, packed by tar itself. */
async function layerTar(name: string): Promise<Buffer> {
  const root = join(folder, `root-${name}`);
  await mkdir(root);
  await writeFile(join(root, name), `contents of ${name}\n`);
  return (await run('tar', ['-C', root, '-cf', '-', '.'])).stdout;
}

interface Made {
  archive: string;
  id: Digest;
  tars: Buffer[];
}

const blobPath = (digest: Digest) => `blobs/sha256/${hexOf(digest)}`;

/** What Docker 25 and newer write: blobs by digest, without a suffix. `damage` changes a blob under its name. */
async function archiveOf(damage = false, path = blobPath): Promise<Made> {
  const tars = [await layerTar('below'), await layerTar('above')];
  const diffIds = tars.map((tar) => digestOf(tar));
  const text = JSON.stringify({ os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: diffIds } });
  // Of a size that a tar could have.
  const config = Buffer.from(text.padEnd(1536));
  const id = digestOf(config);
  const image = join(folder, 'image');
  await mkdir(join(image, 'blobs/sha256'), { recursive: true });
  await writeFile(join(image, blobPath(id)), config);
  for (const [index, tar] of tars.entries()) {
    const bytes = damage && index === 1 ? Buffer.concat([tar.subarray(0, -512), Buffer.alloc(512, 1)]) : tar;
    await mkdir(join(image, path(diffIds[index]!), '..'), { recursive: true });
    await writeFile(join(image, path(diffIds[index]!)), bytes);
  }
  const manifest = [{ Config: blobPath(id), RepoTags: null, Layers: diffIds.map(path) }];
  await writeFile(join(image, 'manifest.json'), JSON.stringify(manifest));
  const archive = join(folder, 'archive.tar');
  await run('tar', ['-C', image, '-cf', archive, ...(await readdir(image))]);
  return { archive, id, tars };
}

describe("an image out of docker's archive", () => {
  it('becomes an OCI layout that another program reads', async () => {
    const { archive, id, tars } = await archiveOf();
    const layout = join(folder, 'layout');
    const built = await readSavedArchive(createReadStream(archive), id, { diffIds: [], descriptors: [] }, layout);
    expect(built.config).toBe(id);
    expect(built.diffIds).toEqual(tars.map((tar) => digestOf(tar)));
    const blob = join(layout, 'blobs/sha256');
    for (const name of await readdir(blob)) {
      const sum = await run('sha256sum', [join(blob, name)]);
      expect(sum.stdout.toString().split(' ')[0]).toBe(name);
    }
  });

  it('keeps the descriptors of filesystem layers that are known, and writes no blob for them', async () => {
    const { archive, id, tars } = await archiveOf();
    const known = { mediaType: mediaType.layerZstd, digest: digestOf('known'), size: 5 };
    const layout = join(folder, 'layout');
    await readSavedArchive(
      createReadStream(archive),
      id,
      { diffIds: [digestOf(tars[0]!)], descriptors: [known] },
      layout,
    );
    // The manifest, the config and the second filesystem layer.
    expect(await readdir(join(layout, 'blobs/sha256'))).toHaveLength(3);
  });

  it('finds a known filesystem layer by its diffID, wherever it is and whatever the archive calls it', async () => {
    const { archive, id, tars } = await archiveOf(false, (digest) => `${digest.slice(7, 19)}/layer.tar`);
    const known = { mediaType: mediaType.layerZstd, digest: digestOf('known'), size: 5 };
    const layout = join(folder, 'layout');
    const { descriptor } = await readSavedArchive(
      createReadStream(archive),
      id,
      { diffIds: [digestOf(tars[1]!)], descriptors: [known] },
      layout,
    );
    const manifest = await readFile(join(layout, blobPath(descriptor.digest)), 'utf8');
    expect((JSON.parse(manifest) as ImageManifest).layers[1]).toEqual(known);
  });

  it('is refused when a filesystem layer is not that of its diffID', async () => {
    const { archive, id } = await archiveOf(true);
    const read = readSavedArchive(createReadStream(archive), id, { diffIds: [], descriptors: [] }, join(folder, 'l'));
    await expect(read).rejects.toThrow(/filesystem layer 2 has diffID/);
  });

  it('is refused when it is cut off, or another image', async () => {
    const { archive, id } = await archiveOf();
    const none = { diffIds: [], descriptors: [] };
    await expect(
      readSavedArchive(createReadStream(archive, { end: 5000 }), id, none, join(folder, 'a')),
    ).rejects.toThrow(/cut off/);
    await expect(readSavedArchive(createReadStream(archive), digestOf('x'), none, join(folder, 'b'))).rejects.toThrow(
      /does not hold its config/,
    );
  });
});
