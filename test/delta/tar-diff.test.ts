import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { encodeFile } from '../../src/delta/encode-file.ts';
import { readOldImage } from '../../src/delta/old-tree.ts';
import { header } from '../../src/delta/tar-diff/format.ts';
import { operationParser } from '../../src/delta/tar-diff/read.ts';
import { OperationWriter } from '../../src/delta/tar-diff/write.ts';
import { noise, sampleTar, type SampleEntry } from './sample-image.ts';
import { Writable } from 'node:stream';
import { applied, deltaOf, extracted, folder, inMemory, layerOf, library, newer } from '../support/tar-diffs.ts';

const vectors = join(import.meta.dirname, '../fixtures/oci-delta');

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
