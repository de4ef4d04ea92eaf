import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { gather } from '../../src/delta/rebuild.ts';
import type { SourceLayer } from '../../src/image-source/image.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { sampleTar, sha256 } from './sample-image.ts';

const tar = sampleTar([
  { name: 'a', bytes: 'contents' },
  { name: 'b', link: 'a' },
]);

/** A filesystem layer whose bytes come in pieces; `open` counts the readings that are not over. */
function layerOf(bytes: Buffer): { layer: SourceLayer; reading: { open: number } } {
  const reading = { open: 0 };
  const read = async function* () {
    reading.open++;
    try {
      for (let at = 0; at < bytes.length; at += 512) yield bytes.subarray(at, at + 512);
    } finally {
      reading.open--;
    }
  };
  const digest = sha256(bytes) as Digest;
  const descriptor = { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest, size: bytes.length };
  return { layer: { diffId: digest, descriptor, blob: read, tar: read }, reading };
}

function spoolPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'imgbuild-gather-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'sources');
}

test('what a wanted hard link links to is gathered in a second pass', async () => {
  const { layer } = layerOf(tar);
  const spool = await gather([layer], new Set(['b']), spoolPath());
  const bytes = Buffer.alloc(8);
  spool.file('b')!.read(0, 8, bytes);
  spool.close();
  expect(bytes.toString()).toBe('contents');
});

/** Reads a path whole out of these filesystem layers, lowest first. */
async function gathered(path: string, ...layers: Buffer[]): Promise<string | undefined> {
  const spool = await gather(
    layers.map((bytes) => layerOf(bytes).layer),
    new Set([path]),
    spoolPath(),
  );
  const file = spool.file(path);
  const bytes = Buffer.alloc(file?.size ?? 0);
  file?.read(0, bytes.length, bytes);
  spool.close();
  return file && bytes.toString();
}

test('a hard link to a hard link is followed, in a circle it is none', async () => {
  const chain = [
    { name: 'a', bytes: 'contents' },
    { name: 'b', link: 'a' },
    { name: 'c', link: 'b' },
    { name: 'd', link: 'c' },
  ];
  expect(await gathered('d', sampleTar(chain))).toBe('contents');
  const circle = [
    { name: 'x', link: 'y' },
    { name: 'y', link: 'x' },
  ];
  expect(await gathered('x', sampleTar(circle))).toBeUndefined();
});

test('a hard link keeps what it linked to when a higher filesystem layer replaces that', async () => {
  expect(await gathered('b', tar, sampleTar([{ name: 'a', bytes: 'replaced' }]))).toBe('contents');
  expect(await gathered('a', tar, sampleTar([{ name: 'a', bytes: 'replaced' }]))).toBe('replaced');
});

test.each([
  ['first', 1],
  ['second', tar.length + 1],
])('an interrupt in the %s pass is told as it came, and nothing stays open', async (_, after) => {
  const { layer, reading } = layerOf(tar);
  const path = spoolPath();
  let seen = 0;
  const interrupt = (bytes: number) => {
    seen += bytes;
    if (seen >= after) throw new Error('stopped');
  };
  await expect(gather([layer], new Set(['b']), path, interrupt)).rejects.toThrow('stopped');
  expect(reading.open).toBe(0);
  expect(readdirSync(join(path, '..'))).toEqual([]);
});
