import { zstdCompressSync, constants } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { header, operation, putUvarint } from '../../src/delta/tar-diff/format.ts';
import { operationParser, readTarDiff } from '../../src/delta/tar-diff/read.ts';
import { OperationWriter } from '../../src/delta/tar-diff/write.ts';
import { noise, sampleTar } from './sample-image.ts';
import { Writable } from 'node:stream';
import { applied, deltaOf, library, once } from '../support/tar-diffs.ts';

describe('damaged and hostile operations', () => {
  const op = (code: number, value: number, contents: Buffer | string = '') => {
    const head = Buffer.alloc(9);
    head[0] = code;
    return Buffer.concat([head.subarray(0, putUvarint(value, head, 1)), Buffer.from(contents)]);
  };
  const delta = (...operations: Buffer[]) => Buffer.concat([header, zstdCompressSync(Buffer.concat(operations))]);
  const open = (path: string) => op(operation.open, Buffer.byteLength(path), path);
  const files = { a: Buffer.from('0123456789'), 'b/c': Buffer.from('x') };
  test.each<[string, Buffer, RegExp]>([
    ['a path that leaves the tree', delta(open('../etc/shadow')), /reads from the path "\.\.\/etc\/shadow"/],
    ['a path that leaves it in between', delta(open('b/../../a')), /reads from the path/],
    ['a path with a NUL', delta(open('a\0b')), /reads from the path/],
    ['an empty path', delta(op(operation.open, 0)), /path of 0 bytes/],
    ['a path of 5000 bytes', delta(open('p'.repeat(5000))), /path of 5000 bytes/],
    ['a source that is not there', delta(open('none')), /no file none/],
    ['a copy beyond the end', delta(open('a'), op(operation.copy, 11)), /up to byte 11, and the file has 10/],
    ['a copy of 2^52 bytes', delta(open('a'), op(operation.copy, 2 ** 52)), /and the file has 10/],
    ['a copy before any source', delta(op(operation.copy, 1)), /before it opens a source/],
    ['a seek before any source', delta(op(operation.seek, 1)), /before it opens a source/],
    [
      'a seek beyond the end, then a copy',
      delta(open('a'), op(operation.seek, 2 ** 40), op(operation.copy, 1)),
      /and the file has 10/,
    ],
    ['differences beyond the end', delta(open('a'), op(operation.addData, 11, 'x'.repeat(11))), /and the file has 10/],
    ['an unknown operation', delta(op(5, 1, 'x')), /operation 5/],
    [
      'a number that is too large',
      delta(Buffer.from([2, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1])),
      /number that is too large/,
    ],
    ['an end inside an operation', delta(op(operation.data, 10, 'abc')), /ends inside an operation/],
    ['version 2', Buffer.concat([Buffer.from('tardf2\n\0'), Buffer.alloc(9)]), /version tardf2/],
    ['another file', Buffer.from('hello, this is no delta'), /no tar-diff/],
    ['nothing', Buffer.alloc(0), /no tar-diff/],
    ['no zstd', Buffer.concat([header, Buffer.from('this is not zstd at all')]), /cannot be unpacked/],
    ['a cut stream', delta(op(operation.data, 5000, noise(5000, 1))).subarray(0, 3000), /cannot be unpacked/],
    [
      'a window of 32 MiB',
      Buffer.concat([
        header,
        zstdCompressSync(Buffer.alloc(40_000_000, noise(1_000_000, 9)), {
          params: { [constants.ZSTD_c_windowLog]: 25, [constants.ZSTD_c_contentSizeFlag]: 0 },
        }),
      ]),
      /more than 8 MiB of history/,
    ],
  ])('%s', async (_name, bytes, message) => {
    await expect(applied(bytes, files)).rejects.toThrow(message);
  });

  test('a path that begins with a slash is one of the tree', async () => {
    expect((await applied(delta(open('/a'), op(operation.copy, 4)), files)).toString()).toBe('0123');
  });

  test('a pack of zeros is refused where the bundle says what may come (property: nothing else is put out)', async () => {
    const operations = fc.array(
      fc.oneof(
        fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
        fc
          .record({
            code: fc.integer({ min: 0, max: 6 }),
            value: fc.integer({ min: 0, max: 40 }),
            contents: fc.uint8Array({ maxLength: 40 }),
          })
          .map(({ code, value, contents }) => op(code, value, Buffer.from(contents))),
        fc.constantFrom(open('a'), open('b/c'), op(operation.copy, 3), op(operation.seek, 2)),
      ),
      { maxLength: 12 },
    );
    await fc.assert(
      fc.asyncProperty(operations, async (list) => {
        const result = await applied(delta(...list), files).catch((error: Error) => error);
        if (result instanceof Error) expect(result.name).toBe('Failure');
      }),
      { numRuns: 400, seed: 11 },
    );
  });

  test('pieces of any size give the same operations (property)', async () => {
    const bytes = Buffer.concat([
      open('a'),
      op(operation.copy, 4),
      op(operation.data, 300, noise(300, 1)),
      op(operation.seek, 300),
      op(operation.addData, 3, 'abc'),
    ]);
    const follow = async (sizes: number[]) => {
      const seen: string[] = [];
      const add = (kind: string) => (value: Buffer | string | number) =>
        void seen.push(...(Buffer.isBuffer(value) ? [...value].map((byte) => `${kind}${byte}`) : [`${kind}${value}`]));
      const parser = operationParser({
        data: add('d'),
        open: add('o'),
        copy: add('c'),
        addData: add('a'),
        seek: add('s'),
      });
      let at = 0;
      for (const size of sizes) {
        await parser.push(bytes.subarray(at, at + size));
        at += size;
      }
      await parser.push(bytes.subarray(at));
      parser.end();
      return seen;
    };
    const whole = await follow([]);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 50 }), { maxLength: 200 }), async (sizes) => {
        expect(await follow(sizes)).toEqual(whole);
      }),
      { numRuns: 50, seed: 12 },
    );
  });

  test('every flipped bit of a real delta is an error or gives the same bytes', async () => {
    const newTar = sampleTar([{ name: 'f', bytes: Buffer.concat([library.subarray(0, 2000), Buffer.from('!')]) }]);
    const good = await deltaOf([sampleTar([{ name: 'f', bytes: library.subarray(0, 2000) }])], newTar);
    let damagedOutputs = 0;
    for (let bit = 0; bit < good.length * 8; bit += 7) {
      const bad = Buffer.from(good);
      bad[bit >> 3]! ^= 1 << (bit & 7);
      const result = await applied(bad, { f: library.subarray(0, 2000) }).catch(() => undefined);
      if (result && !result.equals(newTar)) damagedOutputs++;
    }
    // zstd's own checksum tells; what it lets through, the diffID does.
    expect(damagedOutputs).toBe(0);
  });
});

test('operations survive the writer and the reader (property)', async () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('data' as const), bytes: fc.uint8Array({ maxLength: 200 }) }),
    fc.record({
      kind: fc.constant('copy' as const),
      file: fc.constantFrom('a', 'dir/ü'),
      at: fc.nat(500),
      size: fc.nat(300),
    }),
    fc.record({
      kind: fc.constant('add' as const),
      file: fc.constantFrom('a', 'dir/ü'),
      at: fc.nat(500),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 300 }),
    }),
  );
  const files = { a: noise(1000, 'a'), 'dir/ü': noise(1000, 'b') };
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const chunks: Buffer[] = [];
      const writer = new OperationWriter(
        new Writable({ write: (chunk: Buffer, _e, done) => (chunks.push(chunk), done()) }),
      );
      const expected: Uint8Array[] = [];
      for (const each of steps) {
        if (each.kind === 'data') {
          writer.data(each.bytes);
          expected.push(each.bytes);
        } else if (each.kind === 'copy') {
          writer.copy(each.file, each.at, each.size);
          expected.push(files[each.file as 'a'].subarray(each.at, each.at + each.size));
        } else {
          writer.add(
            each.file,
            each.at,
            each.bytes,
            files[each.file as 'a'].subarray(each.at, each.at + each.bytes.length),
          );
          expected.push(each.bytes);
        }
      }
      await writer.end();
      const bytes = Buffer.concat([header, zstdCompressSync(Buffer.concat(chunks))]);
      expect((await applied(bytes, files)).equals(Buffer.concat(expected))).toBe(true);
      await readTarDiff(once(bytes), { data() {}, open() {}, copy() {}, addData() {}, seek() {} }, 'it');
    }),
    { numRuns: 200, seed: 13 },
  );
});
