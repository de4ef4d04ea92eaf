import fc from 'fast-check';
import { expect, test } from 'vitest';
import { align, indexSeeds, type Alignment } from '../../src/delta/align.ts';
import { noise } from './sample-image.ts';

/** Bytes that no alignment covers, and bytes that differ inside of one. */
function costs(old: Buffer, text: Buffer, found: Alignment[]): { literal: number; different: number } {
  let done = 0;
  let literal = 0;
  let different = 0;
  for (const { newStart, oldStart, size } of found) {
    expect(newStart).toBeGreaterThanOrEqual(done);
    expect(size).toBeGreaterThan(0);
    expect(oldStart).toBeGreaterThanOrEqual(0);
    expect(oldStart + size).toBeLessThanOrEqual(old.length);
    expect(newStart + size).toBeLessThanOrEqual(text.length);
    literal += newStart - done;
    for (let at = 0; at < size; at++) if (text[newStart + at] !== old[oldStart + at]) different++;
    done = newStart + size;
  }
  return { literal: literal + text.length - done, different };
}

const aligned = (old: Buffer, text: Buffer, diagonal = 0) => costs(old, text, align(indexSeeds(old), text, diagonal));

test('the same bytes are one alignment', () => {
  const old = noise(100_000, 1);
  expect(align(indexSeeds(old), Buffer.from(old), 0)).toEqual([{ newStart: 0, oldStart: 0, size: old.length }]);
});

test('an insertion, a deletion and a move cost what is inserted', () => {
  const old = noise(200_000, 2);
  const text = Buffer.concat([
    old.subarray(150_000, 180_000),
    old.subarray(0, 50_000),
    Buffer.from('inserted here'),
    old.subarray(60_000, 140_000),
  ]);
  const { literal, different } = aligned(old, text);
  expect(literal + different).toBeLessThanOrEqual('inserted here'.length + 8);
});

test('bytes changed here and there stay within alignments', () => {
  const old = noise(100_000, 3);
  const text = Buffer.from(old.subarray(500));
  for (let at = 0; at < text.length; at += 40) text[at]! += 5;
  const { literal, different } = aligned(old, text);
  expect(different).toBeGreaterThan(2400);
  expect(literal + different).toBeLessThan(2600);
});

test('what has nothing in common is new', () => {
  const { literal } = aligned(noise(50_000, 4), noise(50_000, 5));
  expect(literal).toBeGreaterThan(49_000);
});

test('runs of one byte and repeated patterns end in time', () => {
  const zeros = Buffer.alloc(2_000_000);
  const pattern = Buffer.alloc(2_000_000, 'abcdefghijklmnopqrstuvwxyz0123456789');
  for (const old of [zeros, pattern]) {
    for (const text of [zeros, pattern, Buffer.concat([noise(1000, 6), old])]) aligned(old, text);
  }
  expect(aligned(pattern, Buffer.from(pattern)).literal).toBe(0);
});

test('whatever is given, alignments are in order and inside of both (property)', () => {
  const words = fc.array(
    fc.constantFrom(
      'alpha beta gamma delta epsilon',
      'x',
      'the quick brown fox jumps over it',
      '\0\0\0\0\0\0\0\0',
      'é',
    ),
    { maxLength: 60 },
  );
  const bytes = fc.oneof(
    words.map((list) => Buffer.from(list.join(''))),
    fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array)),
  );
  fc.assert(
    fc.property(bytes, bytes, fc.integer({ min: -200, max: 200 }), (old, text, diagonal) => {
      aligned(old, text, diagonal);
    }),
    { numRuns: 2000, seed: 7 },
  );
});
