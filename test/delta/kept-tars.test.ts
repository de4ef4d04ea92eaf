import { mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { keepTars, wholeRoom } from '../../src/delta/kept-tars.ts';
import type { ByteStream, SourceLayer } from '../../src/image-source/image.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { noise } from './sample-image.ts';

/** What the disk says to bytes that lie behind the first 3000 of a file. */
let refusal: string | undefined;
vi.mock(import('../../src/delta/source-spool.ts'), async (original) => {
  const real = await original();
  return {
    ...real,
    writeAll(file, bytes, position) {
      if (refusal !== undefined && position >= 3000) throw Object.assign(new Error(refusal), { code: refusal });
      real.writeAll(file, bytes, position);
    },
  };
});

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'imgbuild-kept-'));
});
afterEach(() => {
  refusal = undefined;
  rmSync(folder, { recursive: true, force: true });
});

/** Counts how often it is read; the given time it fails at its end, as one that is damaged does. */
function layerOf(bytes: Buffer, failing = 0): { layer: SourceLayer; readings: () => number } {
  let readings = 0;
  const layer = {
    diffId: digestOf(bytes),
    async *tar() {
      const reading = ++readings;
      for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
      if (reading === failing) throw new Error('damaged');
    },
  };
  return { layer: layer as unknown as SourceLayer, readings: () => readings };
}

async function all(stream: ByteStream): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

test('what was read to its end is not read again until it is given up', async () => {
  const bytes = noise(10_500, 'tar');
  const { layer, readings } = layerOf(bytes);
  const kept = keepTars([layer], path.join(folder, 'old'), wholeRoom());
  for (let time = 0; time < 3; time++) expect((await all(kept.layers[0]!.tar())).equals(bytes)).toBe(true);
  expect(readings()).toBe(1);
  kept.close();
  expect(readdirSync(folder)).toEqual([]);
  expect((await all(kept.layers[0]!.tar())).equals(bytes)).toBe(true);
  expect(readings()).toBe(2);
});

test('what failed or was left in the middle is not kept', async () => {
  const bytes = noise(10_500, 'tar');
  const [damaged, left] = [layerOf(bytes, 1), layerOf(bytes)];
  const kept = keepTars([damaged.layer, left.layer], path.join(folder, 'old'), wholeRoom());
  await expect(all(kept.layers[0]!.tar())).rejects.toThrow('damaged');
  for await (const part of kept.layers[1]!.tar()) {
    expect(part.length).toBe(1000);
    break;
  }
  expect(readdirSync(folder)).toEqual([]);
  for (const layer of kept.layers) expect((await all(layer.tar())).equals(bytes)).toBe(true);
  expect([damaged.readings(), left.readings()]).toEqual([2, 2]);
});

test('what was kept is there at any place, and is checked where it is read again as a whole', async () => {
  const bytes = noise(10_500, 'tar');
  const { layer } = layerOf(bytes);
  const kept = keepTars([layer], path.join(folder, 'old'), wholeRoom());
  expect(kept.file(layer.diffId)).toBeUndefined();
  await all(kept.layers[0]!.tar());
  const piece = Buffer.alloc(100);
  kept.file(layer.diffId)!.read(1234, 100, piece);
  expect(piece.equals(bytes.subarray(1234, 1334))).toBe(true);
  writeFileSync(path.join(folder, 'old-0'), noise(10_500, 'other'));
  await expect(all(kept.layers[0]!.tar())).rejects.toThrow(
    /the copy of the filesystem layer sha256:.*: its bytes have the digest/,
  );
  kept.close();
});

test('a copy is the file that was written, whatever has its name now and whoever left it in the middle', async () => {
  const bytes = noise(2_500_000, 'tar');
  const { layer, readings } = layerOf(bytes);
  const kept = keepTars([layer], path.join(folder, 'old'), wholeRoom());
  await all(kept.layers[0]!.tar());
  renameSync(path.join(folder, 'old-0'), path.join(folder, 'moved'));
  writeFileSync(path.join(folder, 'old-0'), noise(2_500_000, 'other'));
  for await (const part of kept.layers[0]!.tar()) {
    expect(part.equals(bytes.subarray(0, part.length))).toBe(true);
    break;
  }
  expect((await all(kept.layers[0]!.tar())).equals(bytes)).toBe(true);
  expect(readings()).toBe(1);
  kept.close();
});

test('more than there is room for is read each time', async () => {
  const [large, small] = [layerOf(noise(10_500, 'large')), layerOf(noise(3000, 'small'))];
  const kept = keepTars([large.layer, small.layer], path.join(folder, 'old'), { left: 5000 });
  for (const layer of [...kept.layers, ...kept.layers]) await all(layer.tar());
  expect([large.readings(), small.readings()]).toEqual([2, 1]);
  expect(readdirSync(folder)).toEqual(['old-1']);
});

test('all images have one room, and get back what the others give up', async () => {
  const room = { left: 10_000 };
  const of = (name: string) => {
    const { layer, readings } = layerOf(noise(6000, name));
    return { ...keepTars([layer], path.join(folder, name), room), readings };
  };
  const [first, second, third] = [of('first'), of('second'), of('third')];
  const readTwice = async ({ layers }: { layers: SourceLayer[] }) => {
    for (let time = 0; time < 2; time++) await all(layers[0]!.tar());
  };
  await readTwice(first);
  await readTwice(second);
  expect([first.readings(), second.readings(), room.left]).toEqual([1, 2, 4000]);
  first.close();
  await readTwice(third);
  expect([third.readings(), room.left]).toEqual([1, 4000]);
  for (const each of [first, second, third]) each.close();
  expect(room.left).toBe(10_000);
});

test.each([undefined, 'ENOSPC', 'EDQUOT', 'EFBIG'])(
  'where there is no room in the middle (%s), the layer is read on, and what lay there is gone at once',
  async (code) => {
    refusal = code;
    const bytes = noise(10_500, 'tar');
    const { layer, readings } = layerOf(bytes);
    const whole = code === undefined ? 3000 : 50_000;
    const room = { left: whole };
    const kept = keepTars([layer], path.join(folder, 'old'), room);
    const parts: Buffer[] = [];
    for await (const part of kept.layers[0]!.tar()) {
      parts.push(part);
      const there = parts.length <= 3 ? parts.length * 1000 : 0;
      expect([statSync(path.join(folder, 'old-0')).size, room.left]).toEqual([there, whole - there]);
    }
    expect(Buffer.concat(parts).equals(bytes)).toBe(true);
    expect(readdirSync(folder)).toEqual([]);
    expect((await all(kept.layers[0]!.tar())).equals(bytes)).toBe(true);
    expect(readings()).toBe(2);
  },
);

test('a disk that fails in another way ends the reading', async () => {
  refusal = 'EIO';
  const room = { left: 50_000 };
  const kept = keepTars([layerOf(noise(10_500, 'tar')).layer], path.join(folder, 'old'), room);
  await expect(all(kept.layers[0]!.tar())).rejects.toMatchObject({ code: 'EIO' });
  expect(readdirSync(folder)).toEqual([]);
  expect(room.left).toBe(50_000);
});
