import { expect, test } from 'vitest';
import type { Piece } from '../../../src/delta/codec/general-encoder.ts';
import { EntriesWithoutFiles } from '../../../src/delta/layer-delta/entries-without-files.ts';
import type { LocatedEntry } from '../../../src/delta/locate-entries.ts';
import { inMemory } from '../codec/files.ts';
import { noise } from '../sample-image.ts';

const size = 3000;
const files = ['one', 'two', 'three'].map((seed) => noise(size, seed));
const nothing = inMemory(Buffer.alloc(0));

function entry(number: number): LocatedEntry {
  return { contentStart: number * size, size } as LocatedEntry;
}

async function bytesOf(batches: AsyncIterable<Piece[]>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const pieces of batches) for (const piece of pieces) if (piece.kind !== 'same') parts.push(piece.bytes);
  return Buffer.concat(parts);
}

test.each([1, 2])('of entries with files apart, one is held: entry %i lets go of the one before', async (other) => {
  const codedApart = new Map([0, 1].map((number) => [number, [{ start: 1000, size: 500 }]]));
  const entries = new EntriesWithoutFiles(inMemory(Buffer.concat(files)), codedApart);
  const next = (number: number, within: number, length: number) =>
    bytesOf(entries.pieces(number, entry(number), nothing, number * size + within, length));

  expect(await next(0, 0, 1000)).toEqual(files[0]!.subarray(0, 1000));
  expect(await next(0, 1500, 200)).toEqual(files[0]!.subarray(1500, 1700));
  expect(await next(other, 0, 1000)).toEqual(files[other]!.subarray(0, 1000));
  // Nothing of it is known any more: it begins anew.
  expect(await next(0, 0, 1000)).toEqual(files[0]!.subarray(0, 1000));
});
