import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { storeLayer } from '../../src/delta/encode-layer.ts';
import { findAlike } from '../../src/delta/find-alike.ts';
import { keepTars } from '../../src/delta/kept-tars.ts';
import { findSources, indexEntries } from '../../src/delta/layer-delta/find-sources.ts';
import { readOldImage } from '../../src/delta/old-tree.ts';
import type { SourceLayer } from '../../src/image-source/image.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { noise, sampleTar } from './sample-image.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'imgbuild-alike-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const none = () => {};

function layerOf(bytes: Buffer): { layer: SourceLayer; readings: () => number } {
  let readings = 0;
  const layer = {
    diffId: digestOf(bytes),
    async *tar() {
      readings++;
      for (let at = 0; at < bytes.length; at += 70_001) yield bytes.subarray(at, at + 70_001);
    },
  };
  return { layer: layer as unknown as SourceLayer, readings: () => readings };
}

/** What the file `new/name` comes from, and how often the old filesystem layers were read. */
async function sourceOf(olds: readonly Buffer[], young: Buffer, most: number) {
  const layers = olds.map(layerOf);
  const kept = keepTars(
    layers.map(({ layer }) => layer),
    join(folder, 'old'),
    { left: most },
  );
  try {
    const { entries } = await readOldImage(kept.layers, none);
    const stored = await storeLayer(layerOf(young).layer, join(folder, 'new.tar'), none);
    const index = indexEntries(entries, stored.entries);
    const alike = await findAlike(index.withoutNamesake, [stored], entries, kept, none);
    const found = findSources(stored.entries, index, alike).find(({ entry }) => entry.path === 'new/name')!;
    const from = found.content.kind === 'none' ? undefined : found.content.old.path;
    return { kind: found.content.kind, from, readings: layers.map(({ readings }) => readings()) };
  } finally {
    kept.close();
    rmSync(join(folder, 'new.tar'));
  }
}

const contents = noise(100_000, 'contents');
const lower = sampleTar([
  { name: 'a/one', bytes: noise(50_000, 'one') },
  { name: 'a/two', bytes: noise(5000, 'two') },
]);
const upper = sampleTar([
  { name: 'b/three', bytes: noise(80_000, 'three') },
  { name: 'b/four', bytes: contents },
]);

test('a file without a namesake is found by its contents, whether old filesystem layers were kept or not', async () => {
  const young = sampleTar([{ name: 'new/name', bytes: Buffer.concat([Buffer.from('more'), contents]) }]);
  const found = { kind: 'similar', from: 'b/four' };
  expect(await sourceOf([lower, upper], young, Infinity)).toEqual({ ...found, readings: [1, 1] });
  expect(await sourceOf([lower, upper], young, 0)).toEqual({ ...found, readings: [2, 2] });
});

test('no old file is looked at where each new file has a namesake or the contents of one', async () => {
  const young = sampleTar([
    { name: 'new/name', bytes: contents },
    { name: 'a/one', bytes: noise(50_000, 'another') },
  ]);
  const found = { kind: 'same', from: 'b/four' };
  expect(await sourceOf([lower, upper], young, 0)).toEqual({ ...found, readings: [1, 1] });
});
