import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { encodeLayer, planLayer, sourcesOf, storeLayer } from '../../src/delta/encode-layer.ts';
import { indexSources, readOldImage } from '../../src/delta/old-tree.ts';
import { applyOperations, gather } from '../../src/delta/rebuild.ts';
import type { RandomAccess, SourceFiles } from '../../src/delta/source-spool.ts';
import type { SourceLayer } from '../../src/image-source/image.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { noise, sha256 } from '../delta/sample-image.ts';

/** For all tests of a file. */
export let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'imgbuild-tar-diff-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

export const inMemory = (bytes: Buffer): RandomAccess => ({
  size: bytes.length,
  read: (position, length, into) => void into.set(bytes.subarray(position, position + length)),
});

function sourcesFrom(files: Record<string, Buffer>): SourceFiles {
  return { file: (path) => (files[path] === undefined ? undefined : inMemory(files[path])) };
}

export async function* once(bytes: Buffer) {
  yield bytes;
}

/** What a delta makes of old files. */
export async function applied(delta: Buffer, files: Record<string, Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  await applyOperations(
    once(delta),
    sourcesFrom(files),
    { put: (bytes) => parts.push(Buffer.from(bytes)) },
    'the delta',
  );
  return Buffer.concat(parts);
}

/** Regular files of plain tars, later ones over earlier ones, by another reader. */
export function extracted(tars: Buffer[]): { files: Record<string, Buffer>; tree: string } {
  const tree = mkdtempSync(join(folder, 'tree-'));
  for (const tar of tars) execFileSync('tar', ['-xf', '-', '-C', tree, '--no-same-owner'], { input: tar });
  const names = execFileSync('find', [tree, '-type', 'f', '-printf', '%P\\0']).toString().split('\0').filter(Boolean);
  return { tree, files: Object.fromEntries(names.map((name) => [name, readFileSync(join(tree, name))])) };
}

export function layerOf(tar: Buffer): SourceLayer {
  const digest = sha256(tar) as Digest;
  const stream = async function* () {
    for (let at = 0; at < tar.length; at += 65_521) yield tar.subarray(at, at + 65_521);
  };
  return { diffId: digest, descriptor: { mediaType: '', digest, size: tar.length }, blob: stream, tar: stream };
}

/** The delta that we write, from old filesystem layers to a new one. */
export async function deltaOf(old: Buffer[], text: Buffer): Promise<Buffer> {
  const place = mkdtempSync(join(folder, 'delta-'));
  const layers = old.map(layerOf);
  const none = () => {};
  const stored = await storeLayer(layerOf(text), join(place, 'new'), none);
  const plan = planLayer(stored, indexSources((await readOldImage(layers, none)).visible, stored.entries));
  const spool = await gather(layers, new Set(sourcesOf(plan)), join(place, 'sources'), none);
  const encoded = await encodeLayer(plan, spool, join(place, 'delta'), none, new AbortController().signal);
  spool.close();
  const bytes = readFileSync(encoded!.path);
  expect(encoded).toMatchObject({ size: bytes.length, digest: sha256(bytes) });
  return bytes;
}

export const library = noise(300_000, 'lib');
export const newer = Buffer.concat([library.subarray(0, 90_000), Buffer.from('new code'), library.subarray(90_100)]);
for (let at = 0; at < newer.length; at += 1009) newer[at]! += 3;
