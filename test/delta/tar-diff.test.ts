import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, zstdCompressSync, constants } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeFile } from '../../src/delta/encode-file.ts';
import { encodeLayer, planLayer, sourcesOf, storeLayer } from '../../src/delta/encode-layer.ts';
import { indexSources, readOldImage } from '../../src/delta/old-tree.ts';
import { applyOperations, gather } from '../../src/delta/rebuild.ts';
import type { RandomAccess, SourceFiles } from '../../src/delta/source-spool.ts';
import { header, operation, putUvarint } from '../../src/delta/tar-diff/format.ts';
import { operationParser, readTarDiff } from '../../src/delta/tar-diff/read.ts';
import { OperationWriter } from '../../src/delta/tar-diff/write.ts';
import type { SourceLayer } from '../../src/image-source/image.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { noise, sampleTar, sha256, type SampleEntry } from './sample-image.ts';
import { Writable } from 'node:stream';

const vectors = join(import.meta.dirname, '../fixtures/oci-delta');
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'imgbuild-tar-diff-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const inMemory = (bytes: Buffer): RandomAccess => ({
  size: bytes.length,
  read: (position, length, into) => void into.set(bytes.subarray(position, position + length)),
});

function sourcesFrom(files: Record<string, Buffer>): SourceFiles {
  return { file: (path) => (files[path] === undefined ? undefined : inMemory(files[path])) };
}

async function* once(bytes: Buffer) {
  yield bytes;
}

async function applied(delta: Buffer, files: Record<string, Buffer>): Promise<Buffer> {
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
function extracted(tars: Buffer[]): { files: Record<string, Buffer>; tree: string } {
  const tree = mkdtempSync(join(folder, 'tree-'));
  for (const tar of tars) execFileSync('tar', ['-xf', '-', '-C', tree, '--no-same-owner'], { input: tar });
  const names = execFileSync('find', [tree, '-type', 'f', '-printf', '%P\\0']).toString().split('\0').filter(Boolean);
  return { tree, files: Object.fromEntries(names.map((name) => [name, readFileSync(join(tree, name))])) };
}

function layerOf(tar: Buffer): SourceLayer {
  const digest = sha256(tar) as Digest;
  const stream = async function* () {
    for (let at = 0; at < tar.length; at += 65_521) yield tar.subarray(at, at + 65_521);
  };
  return { diffId: digest, descriptor: { mediaType: '', digest, size: tar.length }, blob: stream, tar: stream };
}

async function deltaOf(old: Buffer[], text: Buffer): Promise<Buffer> {
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

function python(tree: string, delta: Buffer): Buffer {
  const place = mkdtempSync(join(folder, 'python-'));
  writeFileSync(join(place, 'delta'), delta);
  execFileSync('python3', [join(import.meta.dirname, 'tar_patch.py'), tree, join(place, 'delta'), join(place, 'new')]);
  return readFileSync(join(place, 'new'));
}

describe('what the public tar-diff wrote', () => {
  const member = (archive: string, name: string) => execFileSync('tar', ['-xOf', join(vectors, archive), name]);
  const blob = (digest: string) => gunzipSync(member('old.oci.tar', `blobs/sha256/${digest}`));
  const base = () => blob('1500a1f374107258ff5e70d18d90205f4b8cda24ef101de844e29ddef3c31b4d');
  const old = () => blob('7b827aeb837898b1cab5f578558e8c2e1fe8d6a576a60e3bfebfa4cd00323461');
  const gnu = 'c8ef6d13f7148cd1adbf3a3ce86dad23ac7bc825c93f1e3e5ddb90e82f3f0c96';
  const pax = 'fa878645c6fe773d473ff4a6738ba27e894f7df831cfe36044b770ebedcc854e';
  test.each([
    ['l3.tardiff', gnu],
    ['nolimit.tardiff', gnu],
    ['all-l19.tardiff', gnu],
    ['pax.tardiff', pax],
  ])('%s gives the exact new tar', async (name, diffId) => {
    const { files } = extracted([base(), old()]);
    const text = await applied(readFileSync(join(vectors, name)), files);
    expect(createHash('sha256').update(text).digest('hex')).toBe(diffId);
  });
});

const library = noise(300_000, 'lib');
const newer = Buffer.concat([library.subarray(0, 90_000), Buffer.from('new code'), library.subarray(90_100)]);
for (let at = 0; at < newer.length; at += 1009) newer[at]! += 3;

describe('what we write is applied by an independent reader, and by ours', () => {
  const cases: Record<string, { old: SampleEntry[][]; new: SampleEntry[]; most: number }> = {
    'a changed library with a new version in its name': {
      old: [[{ name: 'usr/lib/libx.so.1.2', bytes: library }]],
      new: [{ name: 'usr/lib/libx.so.1.3', bytes: newer }],
      most: 2500,
    },
    'a moved and an unchanged file': {
      old: [
        [
          { name: 'a/model.bin', bytes: noise(500_000, 1) },
          { name: 'keep', bytes: noise(70_000, 2) },
        ],
      ],
      new: [
        { name: 'b/renamed', bytes: noise(500_000, 1) },
        { name: './keep', bytes: noise(70_000, 2) },
      ],
      most: 400,
    },
    'a file of a lower filesystem layer': {
      old: [[{ name: 'low', bytes: noise(100_000, 3) }], [{ name: 'other', bytes: 'x' }]],
      new: [{ name: 'high', bytes: noise(100_000, 3) }],
      most: 300,
    },
    'names that are long, or not ASCII': {
      old: [[{ name: `${'d'.repeat(150)}/é`, bytes: noise(90_000, 4) }]],
      new: [{ name: `${'e'.repeat(150)}/ü`, bytes: noise(90_000, 4) }],
      most: 600,
    },
    'files of no bytes and of few': {
      old: [
        [
          { name: 'empty', bytes: '' },
          { name: 'few', bytes: 'few' },
        ],
      ],
      new: [
        { name: 'empty', bytes: '' },
        { name: 'few', bytes: 'few' },
        { name: 'more', bytes: '' },
      ],
      most: 300,
    },
    'a file that a later filesystem layer replaced': {
      old: [[{ name: 'f', bytes: noise(80_000, 5) }], [{ name: 'f', bytes: noise(80_000, 6) }]],
      new: [
        { name: 'g', bytes: noise(80_000, 5) },
        { name: 'h', bytes: noise(80_000, 6) },
      ],
      most: 81_000,
    },
    'nothing in common': {
      old: [[{ name: 'a', bytes: noise(5000, 7) }]],
      new: [{ name: 'b', bytes: noise(9000, 8) }],
      most: 9500,
    },
  };
  test.each(Object.entries(cases))('%s', async (_name, { old, new: text, most }) => {
    const oldTars = old.map((entries) => sampleTar(entries));
    const newTar = sampleTar(text, 1_710_000_000);
    const delta = await deltaOf(oldTars, newTar);
    const { files, tree } = extracted(oldTars);
    expect((await applied(delta, files)).equals(newTar)).toBe(true);
    expect(python(tree, delta).equals(newTar)).toBe(true);
    expect(delta.length).toBeLessThan(most);
  });

  test('whiteouts, opaque folders, hard links and folders over links hide what they hide', async () => {
    const bytes = Object.fromEntries([...'abcdefgh'].map((name) => [name, noise(60_000, name)]));
    const lower = sampleTar([
      { name: 'gone', bytes: bytes.a! },
      { name: 'opaque/x', bytes: bytes.b! },
      { name: 'swap/', folder: true },
      { name: 'swap/x', bytes: bytes.c! },
      { name: 'link', symlink: 'opaque' },
      { name: 'kept', bytes: bytes.d! },
      { name: 'hard', link: 'kept' },
    ]);
    const upper = sampleTar([
      { name: '.wh.gone', bytes: '' },
      { name: 'opaque/y', bytes: bytes.e! },
      { name: 'opaque/.wh..wh..opq', bytes: '' },
      { name: 'swap', symlink: 'opaque' },
      { name: 'link/', folder: true },
      { name: 'link/z', bytes: bytes.f! },
    ]);
    const { visible: tree } = await readOldImage([layerOf(lower), layerOf(upper)], () => {});
    expect(tree.map(({ path }) => path).toSorted()).toEqual(['kept', 'link/z', 'opaque/y']);
    // What is hidden cannot be read on a device: it is sent, not taken.
    const newTar = sampleTar([...'abcdef'].map((name) => ({ name: `new-${name}`, bytes: bytes[name]! })));
    const delta = await deltaOf([lower, upper], newTar);
    expect((await applied(delta, { kept: bytes.d!, 'link/z': bytes.f!, 'opaque/y': bytes.e! })).equals(newTar)).toBe(
      true,
    );
    expect(delta.length).toBeGreaterThan(3 * 60_000);
    expect(delta.length).toBeLessThan(3 * 60_000 + 3000);
  });

  test.each(['gnu', 'posix'])('archives of GNU tar (%s) with sparse files, fifos and devices', async (format) => {
    const place = mkdtempSync(join(folder, 'special-'));
    mkdirSync(join(place, 'in'));
    writeFileSync(join(place, 'in', 'file'), noise(50_000, 'special'));
    execFileSync('truncate', ['-s', '5M', join(place, 'in', 'sparse')]);
    execFileSync('mkfifo', [join(place, 'in', 'fifo')]);
    const options = format === 'posix' ? ['--xattrs'] : [];
    const pack = () =>
      execFileSync('tar', ['--format', format, '--sparse', ...options, '-C', place, '-cf', '-', 'in', '/dev/null'], {
        stdio: ['ignore', 'pipe', 'ignore'],
      });
    const oldTar = pack();
    writeFileSync(join(place, 'in', 'added'), 'added');
    const newTar = pack();
    const delta = await deltaOf([oldTar], newTar);
    expect((await applied(delta, { 'in/file': noise(50_000, 'special') })).equals(newTar)).toBe(true);
    expect(delta.length).toBeLessThan(1000);
  });

  test('a filesystem layer that is no tar, or is followed by other bytes, comes back as it was', async () => {
    for (const text of [
      noise(10_000, 'odd'),
      Buffer.concat([sampleTar([{ name: 'a', bytes: 'a' }]), noise(3000, 'tail')]),
      Buffer.alloc(0),
      Buffer.alloc(1024),
    ]) {
      expect((await applied(await deltaOf([sampleTar([])], text), {})).equals(text)).toBe(true);
    }
  });

  test('renaming a 100 MB file costs less than 100 KB', async () => {
    const model = Buffer.alloc(100_000_000, noise(999_983, 'model'));
    const delta = await deltaOf(
      [sampleTar([{ name: 'models/a.onnx', bytes: model }])],
      sampleTar([{ name: 'models/b.onnx', bytes: model }]),
    );
    expect(delta.length).toBeLessThan(1000);
  }, 120_000);
});

test('files larger than the windows are searched where their parts came from', async () => {
  const megabyte = 1024 * 1024;
  const parts = [1, 2, 3].map((seed) => noise(1_500_000, seed));
  const old = Buffer.concat(parts);
  const text = Buffer.concat([parts[2]!, Buffer.from('between'), parts[0]!, parts[1]!]);
  for (let at = 0; at < text.length; at += 100_003) text[at]! += 1;
  let literal = 0;
  const chunks: Buffer[] = [];
  const sink = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      chunks.push(chunk);
      done();
    },
  });
  const writer = new OperationWriter(sink);
  const windows = { old: 2 * megabyte, new: megabyte };
  await encodeFile(writer, 'big', inMemory(old), inMemory(text), () => {}, windows);
  await writer.end();
  const operations = Buffer.concat(chunks);
  const count = {
    data: (bytes: Buffer) => void (literal += bytes.length),
    open() {},
    copy() {},
    addData() {},
    seek() {},
  };
  const parser = operationParser(count);
  await parser.push(operations);
  parser.end();
  expect(literal).toBeLessThan(5000);
  const delta = Buffer.concat([header, zstdCompressSync(operations)]);
  expect((await applied(delta, { big: old })).equals(text)).toBe(true);
});

test('an interrupt is heard while a large file is searched, though hardly anything is written', async () => {
  const old = noise(400_000, 'model');
  const controller = new AbortController();
  setImmediate(() => controller.abort(new Error('stopped')));
  let done = 0;
  const onBytes = (bytes: number) => {
    controller.signal.throwIfAborted();
    done += bytes;
  };
  const writer = new OperationWriter(new Writable({ write: (_chunk, _encoding, written) => written() }));
  const windows = { old: 1024 * 1024, new: 100_000 };
  const encoding = encodeFile(writer, 'model', inMemory(old), inMemory(old), onBytes, windows);
  await expect(encoding).rejects.toThrow('stopped');
  expect(done).toBeLessThan(old.length);
});

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
