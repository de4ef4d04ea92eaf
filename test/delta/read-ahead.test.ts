import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readAhead } from '../../src/delta/read-ahead.ts';
import { noise } from './sample-image.ts';

const bytes = noise(300_000, 'file');

function counted() {
  let reads = 0;
  const file = readAhead({
    size: bytes.length,
    read(position, length, into) {
      reads++;
      if (position + length > bytes.length) throw new RangeError('beyond the end');
      into.set(bytes.subarray(position, position + length));
    },
  });
  const piece = (position: number, length: number) => {
    const into = Buffer.alloc(length);
    file.read(position, length, into);
    return into;
  };
  return { piece, reads: () => reads };
}

test('any reads in any order give the bytes of the file', () => {
  const read = fc.tuple(fc.nat(bytes.length), fc.nat(20_000));
  fc.assert(
    fc.property(fc.array(read, { maxLength: 30 }), (all) => {
      const { piece } = counted();
      for (const [position, most] of all) {
        const length = Math.min(most, bytes.length - position);
        expect(piece(position, length).equals(bytes.subarray(position, position + length))).toBe(true);
      }
    }),
  );
});

test('a read of no bytes asks nothing of the file, before others and between them', () => {
  const { piece, reads } = counted();
  expect(piece(0, 0)).toHaveLength(0);
  expect(piece(bytes.length, 0)).toHaveLength(0);
  expect(reads()).toBe(0);
  expect(piece(1000, 100).equals(bytes.subarray(1000, 1100))).toBe(true);
  expect(piece(1100, 0)).toHaveLength(0);
  expect(reads()).toBe(1);
});

test('small pieces one behind the other take few reads, and a read beyond the end fails as it did', () => {
  const { piece, reads } = counted();
  for (let at = 0; at + 512 <= bytes.length; at += 1536) piece(at, 512);
  expect(reads()).toBeLessThan(10);
  expect(() => piece(bytes.length - 100, 200)).toThrow('beyond the end');
});
