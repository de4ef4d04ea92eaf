import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AlikeFiles, ContentSketcher, sketchOf, type ContentSketch } from '../../src/delta/content-sketch.ts';
import { noise } from './sample-image.ts';

const inMemory = (bytes: Buffer) => ({
  size: bytes.length,
  read: (position: number, length: number, into: Uint8Array) =>
    void into.set(bytes.subarray(position, position + length)),
});
const fileOf = (name: string, bytes: Buffer) => ({ name, size: bytes.length, sketch: sketchOf(inMemory(bytes)) ?? [] });

function nearest(old: readonly ReturnType<typeof fileOf>[], bytes: Buffer): string | undefined {
  const wanted = { size: bytes.length };
  const alike = new AlikeFiles<(typeof old)[number]>(new Map([[wanted, sketchOf(inMemory(bytes)) ?? []]]));
  for (const file of old) alike.add(file, file.sketch);
  return alike.nearest(wanted)?.name;
}

test('contents that were moved, cut, and added to are found again', () => {
  const old = Array.from({ length: 20 }, (_, at) => fileOf(`${at}`, noise(40_000 + at, `old ${at}`)));
  const edit = fc.record({
    from: fc.nat({ max: 19 }),
    start: fc.nat({ max: 10_000 }),
    before: fc.nat({ max: 9_000 }),
    hole: fc.nat({ max: 25_000 }),
  });
  fc.assert(
    fc.property(edit, ({ from, start, before, hole }) => {
      const bytes = noise(40_000 + from, `old ${from}`);
      const edited = [
        noise(before, 'new'),
        bytes.subarray(start, start + hole),
        noise(700, 'more'),
        bytes.subarray(start + hole + 100),
      ];
      expect(nearest(old, Buffer.concat(edited))).toBe(`${from}`);
    }),
    { numRuns: 20 },
  );
});

test('others are not, whatever licence all of them have', () => {
  const licence = noise(600, 'licence');
  const old = Array.from({ length: 50 }, (_, at) =>
    fileOf(`${at}`, Buffer.concat([licence, noise(60_000, `old ${at}`)])),
  );
  expect(nearest(old, noise(60_000, 'new'))).toBeUndefined();
  expect(nearest(old, Buffer.alloc(60_000))).toBeUndefined();
});

test('of those that have as much in common, the one that is nearest in size', () => {
  const bytes = noise(30_000, 'same');
  const old = [1, 9, 3, 5].map((more) => fileOf(`${more}`, Buffer.concat([bytes, Buffer.alloc(1_000 * more)])));
  expect(nearest(old, Buffer.concat([bytes, Buffer.alloc(2_900)]))).toBe('3');
});

test('pieces of any size give much the same', () => {
  const bytes = noise(200_000, 'pieces');
  const whole = sketchOf(inMemory(bytes))!;
  const sketcher = new ContentSketcher();
  for (let at = 0; at < bytes.length; at += 10_007) sketcher.write(bytes.subarray(at, at + 10_007));
  const common = sketcher.end()!.filter((number: ContentSketch[number]) => whole.includes(number));
  expect(common.length).toBeGreaterThanOrEqual(6);
});
