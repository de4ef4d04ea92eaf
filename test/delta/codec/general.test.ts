import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Failure } from '../../../src/failure.ts';
import { ByteReader, ByteWriter } from '../../../src/delta/codec/bytes.ts';
import { encodeHeader, memoryNeeded, type DeltaHeader } from '../../../src/delta/codec/format.ts';
import { noise } from '../sample-image.ts';
import { decoded, encoded, inMemory, unpacked } from './files.ts';
import { decodeDelta } from '../../../src/delta/codec/decode.ts';

const nothing = Buffer.alloc(0);

/** An old file and one that was made from it by cutting, moving, changing and adding. */
const pair = fc
  .tuple(
    fc.uint8Array({ maxLength: 400 }),
    fc.nat({ max: 200 }),
    fc.array(
      fc.record({
        from: fc.nat({ max: 20_000 }),
        size: fc.nat({ max: 6_000 }),
        every: fc.integer({ min: 3, max: 400 }),
        added: fc.uint8Array({ maxLength: 60 }),
      }),
      { maxLength: 12 },
    ),
  )
  .map(([seed, repeats, parts]) => {
    const old = Buffer.concat([...Array<Uint8Array>(repeats).fill(seed), noise(3_000, repeats + 1)]);
    const made = parts.map(({ from, size, every, added }) => {
      const part = Buffer.from(old.subarray(from % old.length, (from % old.length) + size));
      for (let at = every; at < part.length; at += every) part[at]! += at;
      return Buffer.concat([part, added]);
    });
    return { old, text: Buffer.concat(made) };
  });

test('whatever was changed, the new file comes out', async () => {
  await fc.assert(
    fc.asyncProperty(pair, fc.integer({ min: 1, max: 5_000 }), async ({ old, text }, piece) => {
      const delta = await encoded(old, text);
      expect((await decoded(delta, old, {}, piece)).equals(text)).toBe(true);
    }),
    { numRuns: 60 },
  );
});

test('a decoder that was written from the description alone makes the same', async () => {
  const old = noise(300_000, 8);
  const text = Buffer.concat([old.subarray(200_000), Buffer.from('put in'), noise(5_000, 9), old.subarray(0, 150_000)]);
  for (let at = 0; at < text.length; at += 333) text[at]! += at;
  const folder = mkdtempSync(path.join(tmpdir(), 'general-patch-'));
  const [oldPath, deltaPath, newPath] = ['old', 'delta', 'new'].map((name) => path.join(folder, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(oldPath, old);
  writeFileSync(deltaPath, unpacked(await encoded(old, text)));
  execFileSync('python3', [path.join(import.meta.dirname, 'general_patch.py'), oldPath, deltaPath, newPath]);
  expect(readFileSync(newPath).equals(text)).toBe(true);
});

test('empty files, files of one byte, and what has nothing in common', async () => {
  const files = [nothing, Buffer.from([7]), noise(5_000, 1), noise(5_000, 2)];
  for (const old of files) {
    for (const text of files) {
      expect((await decoded(await encoded(old, text), old)).equals(text)).toBe(true);
    }
  }
});

test('an unchanged file costs next to nothing, a moved part little', async () => {
  const old = noise(600_000, 3);
  expect((await encoded(old, old)).length).toBeLessThan(100);
  const text = Buffer.concat([old.subarray(400_000), Buffer.from('added'), old.subarray(0, 400_000)]);
  expect((await encoded(old, text)).length).toBeLessThan(150);
});

test('files larger than the windows are coded in parts', async () => {
  const old = noise(400_000, 4);
  const text = Buffer.concat([old.subarray(240_000), noise(50_000, 5), old.subarray(0, 140_000)]);
  for (let at = 0; at < text.length; at += 1001) text[at]! += 1;
  const delta = await encoded(old, text, { windows: { old: 2 ** 18, new: 100_000 } });
  expect(delta.length).toBeLessThan(120_000);
  expect((await decoded(delta, old)).equals(text)).toBe(true);
});

test('what does not fit into one block goes into several', async () => {
  const words = new Int32Array(1_500_000);
  for (let at = 0, state = 1; at < words.length; at++) words[at] = state = (Math.imul(state, 0x41c64e6d) + 12345) | 0;
  const text = Buffer.from(words.buffer);
  const delta = await encoded(nothing, text, { level: 1 });
  expect((await decoded(delta, nothing)).equals(text)).toBe(true);
});

test('progress counts the bytes of the new file, and may end the work', async () => {
  const old = noise(100_000, 6);
  let bytes = 0;
  await encoded(old, old, { onBytes: (more) => (bytes += more) });
  expect(bytes).toBe(old.length);
  const stop = () => {
    throw new Error('stopped');
  };
  await expect(encoded(old, old, { onBytes: stop })).rejects.toThrow('stopped');
});

test('numbers come back, and those that are too large are refused', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), (number, small) => {
      const writer = new ByteWriter(1);
      writer.uvarint(number);
      writer.svarint(small);
      writer.int32(small);
      const reader = new ByteReader(writer.view(), 'it');
      expect([reader.uvarint(), reader.svarint(), reader.int32(), reader.left]).toEqual([number, small, small, 0]);
    }),
  );
  expect(() => new ByteReader(Buffer.alloc(9, 0xff), 'it').uvarint()).toThrow('too large');
  expect(() => new ByteReader(Buffer.from('ffffffffffffff7f', 'hex'), 'it').uvarint()).toThrow('too large');
});

const header = (over: Partial<DeltaHeader>) =>
  encodeHeader({ codec: 'general', oldSize: 0, newSize: 5, blockSize: 100, memory: memoryNeeded(100), ...over });

test.each([
  ['more memory than is granted', header({ memory: 65 * 2 ** 20 }), 'it needs 65 MiB of memory, and 64 are granted'],
  ['less memory than it needs', header({ memory: 1000 }), 'declares less memory'],
  ['blocks that are too large', header({ blockSize: 2 ** 23 + 1 }), 'blocks are larger'],
  ['an old file of another size', header({ oldSize: 1 }), 'an old file of 1 bytes, and this one has 0'],
  ['another version', Buffer.from('ibd2....'), 'of the version ibd2'],
  ['another file', Buffer.from('PK\u0003\u0004....'), 'no delta'],
  ['an unknown codec', Buffer.from('ibd1\u0009....'), 'not known'],
  ['a header that ends', Buffer.from('ibd1\u0000'), 'ends too early'],
  ['a block beyond the new file', Buffer.concat([header({}), Buffer.from([6])]), 'a block of 6 bytes'],
  ['an empty block', Buffer.concat([header({}), Buffer.from([0])]), 'a block of 0 bytes'],
  // insert: one byte, which says 9.
  ['an insertion beyond its block', block([1, 0, 0, 0, 0, 0, 0, 0], [9]), 'inserts more'],
  ['a stream that is missing', block([0, 0, 0, 0, 0, 0, 0], []), 'its stream insert ends too early'],
  ['streams beyond the block size', block([101, 0], []), 'larger than the 100 bytes'],
  ['a stream that is larger packed', block([9, 10], []), 'larger packed'],
  ['a stream that is not zstd', block([9, 2, 0, 0, 0, 0, 0, 0], [1, 2]), 'cannot be unpacked'],
  ['a copy from beyond the old file', block([1, 0, 1, 0, 1, 0, 0, 0, 0, 0], [0, 2, 5]), 'of an old file of 0'],
  ['a copy of nothing', block([1, 0, 1, 0, 1, 0, 0, 0, 0, 0], [0, 2, 0]), 'copies 0 bytes'],
  [
    'bytes left over',
    block([1, 0, 0, 0, 0, 0, 0, 6, 0], [5, 1, 2, 3, 4, 5, 6]),
    'its stream data has 1 bytes too many',
  ],
])('%s: refused', async (_what, delta, because) => {
  const failure = await decoded(delta, nothing).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(Failure);
  expect((failure as Failure).because).toContain(because);
});

function block(table: number[], streams: number[]): Buffer {
  return Buffer.concat([header({}), Buffer.from([5, ...table, ...streams])]);
}

test('an altered old file is told by the sha256, bytes that follow are refused', async () => {
  const old = noise(10_000, 7);
  const delta = await encoded(old, old);
  const altered = Buffer.from(old);
  altered[5_000]! ^= 1;
  await expect(decoded(delta, altered)).rejects.toThrow('another sha256');
  await expect(decoded(Buffer.concat([delta, Buffer.from([0])]), old)).rejects.toThrow('bytes follow');
  expect((await decoded(delta, old, { memory: 2 ** 40 })).equals(old)).toBe(true);
});

test('the source of the delta is closed when it is refused', async () => {
  let closed = false;
  const delta = (async function* () {
    try {
      yield Buffer.from('no delta at all');
      yield Buffer.from('more');
    } finally {
      closed = true;
    }
  })();
  await expect(decodeDelta(delta, inMemory(nothing), { write() {} })).rejects.toThrow('no delta');
  expect(closed).toBe(true);
});
