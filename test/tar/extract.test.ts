import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  linkSync,
  writeFileSync,
  truncateSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fileSource } from '../../src/tar/byte-source.ts';
import { readTar } from '../../src/tar/extract.ts';
import { encodeName } from '../../src/tar/name.ts';

let folder: string;
let tree: string;
const longFolder = 'd'.repeat(120);
const longName = `${longFolder}/${'n'.repeat(140)}`;
/** A header has room for the first hundred bytes: up to a slash. */
const cutName = `${'d'.repeat(97)}/file`;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'imgbuild-extract-'));
  tree = join(folder, 'tree');
  mkdirSync(join(tree, longFolder), { recursive: true });
  writeFileSync(join(tree, 'plain.txt'), 'plain\n', { mode: 0o640 });
  writeFileSync(join(tree, 'empty'), '');
  writeFileSync(join(tree, 'block'), Buffer.alloc(1024, 7));
  writeFileSync(join(tree, longName), 'long\n');
  mkdirSync(join(tree, 'd'.repeat(97)));
  writeFileSync(join(tree, cutName), 'cut\n');
  writeFileSync(join(tree, 'é ü.txt'), 'accents\n');
  linkSync(join(tree, 'plain.txt'), join(tree, 'zz-hard'));
  symlinkSync('plain.txt', join(tree, 'soft'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Read {
  name: string;
  type: string;
  link: string;
  contents: string;
}

async function* inPieces(bytes: Buffer, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function readAll(bytes: Buffer, piece = bytes.length): Promise<Read[]> {
  const entries: Read[] = [];
  for await (const entry of readTar(inPieces(bytes, piece))) {
    const parts: Buffer[] = [];
    for await (const chunk of entry.contents()) parts.push(Buffer.from(chunk));
    const contents = Buffer.concat(parts);
    expect(contents.length).toBe(entry.header.size);
    // The place of the contents is what other code reads again.
    expect(bytes.subarray(entry.contentStart, entry.contentStart + contents.length).equals(contents)).toBe(true);
    const { name, type, linkName } = entry.header;
    entries.push({ name, type, link: linkName, contents: contents.toString('latin1') });
  }
  return entries.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

const gnuTar = (format: string, ...more: string[]) =>
  execFileSync('tar', ['--format', format, '--sort=name', '-C', tree, '-cf', '-', ...more, '.'], {
    maxBuffer: 1 << 26,
  });
const python = (format: string) =>
  execFileSync(
    'python3',
    [
      '-c',
      `import sys,tarfile;t=tarfile.open(fileobj=sys.stdout.buffer,mode="w|",format=tarfile.${format});t.add(sys.argv[1],arcname=".");t.close()`,
      tree,
    ],
    { maxBuffer: 1 << 26 },
  );

const dialects: [string, () => Buffer][] = [
  ['GNU tar, gnu', () => gnuTar('gnu')],
  ['GNU tar, pax', () => gnuTar('posix')],
  ['GNU tar, pax with a global header', () => gnuTar('posix', '--pax-option=globexthdr.name=g,comment=all')],
  ['Python, gnu', () => python('GNU_FORMAT')],
  ['Python, pax', () => python('PAX_FORMAT')],
];

describe.each(dialects)('archives of %s', (_name, write) => {
  test.each([512, 321, 1, 1 << 20])('are read whole in pieces of %i bytes', async (piece) => {
    const entries = await readAll(write(), piece);
    const found = new Map(entries.map((entry) => [entry.name.replace(/^\.\//, '').replace(/\/$/, ''), entry]));
    expect(found.get('plain.txt')).toMatchObject({ type: 'file', contents: 'plain\n' });
    expect(found.get('empty')).toMatchObject({ type: 'file', contents: '' });
    expect(found.get('block')!.contents).toBe('\x07'.repeat(1024));
    expect(found.get(longName)).toMatchObject({ contents: 'long\n' });
    expect(found.get(cutName)).toMatchObject({ type: 'file', contents: 'cut\n' });
    expect(found.get('é ü.txt')).toMatchObject({ contents: 'accents\n' });
    expect(found.get('zz-hard')).toMatchObject({ type: 'link' });
    expect(found.get('zz-hard')!.link).toMatch(/plain\.txt$/);
    expect(found.get('soft')).toMatchObject({ type: 'symlink', link: 'plain.txt' });
    expect(found.get(longFolder)).toMatchObject({ type: 'directory' });
    expect(found.size).toBe(11);
  });
});

test('v7 and ustar archives of names that fit', async () => {
  for (const format of ['v7', 'ustar']) {
    const bytes = execFileSync('tar', ['--format', format, '-C', tree, '-cf', '-', 'plain.txt', 'soft', 'block']);
    const entries = await readAll(bytes);
    expect(entries.map(({ name, type }) => [name, type])).toEqual([
      ['block', 'file'],
      ['plain.txt', 'file'],
      ['soft', 'symlink'],
    ]);
  }
});

test('names that are not UTF-8 come back as the bytes they were', async () => {
  const script =
    'import sys,tarfile,io;t=tarfile.open(fileobj=sys.stdout.buffer,mode="w|",format=tarfile.GNU_FORMAT);i=tarfile.TarInfo(b"a\\xff\\xe9b".decode("utf8","surrogateescape"));i.size=2;t.addfile(i,io.BytesIO(b"hi"));t.close()';
  const [entry] = await readAll(execFileSync('python3', ['-c', script]));
  expect(encodeName(entry!.name)).toEqual(Buffer.from([0x61, 0xff, 0xe9, 0x62]));
});

test.each([
  ['gnu', 'gnu'],
  ['posix', '0.0'],
  ['posix', '0.1'],
  ['posix', '1.0'],
])('sparse files (%s, %s) are told as such and do not disturb their neighbours', async (format, version) => {
  const sparse = join(folder, `sparse-${version}`);
  mkdirSync(sparse, { recursive: true });
  writeFileSync(join(sparse, 'a'), 'before');
  writeFileSync(join(sparse, 'hole'), 'x');
  truncateSync(join(sparse, 'hole'), 50_000_000);
  writeFileSync(join(sparse, 'z'), 'after');
  const options = format === 'posix' ? ['--sparse-version', version] : [];
  const bytes = execFileSync('tar', [
    '--format',
    format,
    '--sparse',
    ...options,
    '-C',
    sparse,
    '-cf',
    '-',
    'a',
    'hole',
    'z',
  ]);
  expect(bytes.length).toBeLessThan(100_000);
  const entries: [boolean, string][] = [];
  for await (const entry of readTar(inPieces(bytes, 321))) {
    const parts: Buffer[] = [];
    for await (const chunk of entry.contents()) parts.push(chunk);
    entries.push([entry.sparse, Buffer.concat(parts).toString('latin1')]);
  }
  expect(entries.map(([isSparse]) => isSparse)).toEqual([false, true, false]);
  expect([entries[0]![1], entries[2]![1]]).toEqual(['before', 'after']);
});

test('what is not read of an entry is passed over, in streams and in files', async () => {
  const bytes = gnuTar('posix');
  const file = join(folder, 'skip.tar');
  writeFileSync(file, bytes);
  const names: string[] = [];
  for await (const entry of readTar(inPieces(bytes, 321))) names.push(entry.header.name);
  const handle = await open(file);
  const fromFile: string[] = [];
  for await (const entry of readTar(fileSource(handle, 0, bytes.length))) fromFile.push(entry.header.name);
  await handle.close();
  expect(fromFile).toEqual(names);
  expect(names).toHaveLength(11);
});

test('a cut archive is an error wherever it is cut inside an entry', async () => {
  const bytes = gnuTar('gnu');
  const cuts = [1, 511, 513, 700, 2000, 3000];
  for (const cut of cuts) await expect(readAll(bytes.subarray(0, cut))).rejects.toThrow(/cut off at byte|checksum/);
});

test('a flipped bit of a header is an error', async () => {
  const bytes = Buffer.from(gnuTar('gnu'));
  bytes[10]! ^= 4;
  await expect(readAll(bytes)).rejects.toThrow(/checksum/);
});

test('an extension header that claims gigabytes is refused', async () => {
  const script =
    'import sys,tarfile;i=tarfile.TarInfo("././@LongLink");i.type=b"L";i.size=1<<32;sys.stdout.buffer.write(i.tobuf(tarfile.GNU_FORMAT))';
  await expect(readAll(execFileSync('python3', ['-c', script]))).rejects.toThrow(
    /extension header of 4294967296 bytes/,
  );
});

test('an archive without its zero blocks ends where the stream ends', async () => {
  const bytes = readFileSync(join(import.meta.dirname, '../fixtures/oci-delta/same.oci-delta.tar'));
  let end = bytes.length;
  while (bytes.subarray(end - 512, end).every((byte) => byte === 0)) end -= 512;
  expect(await readAll(bytes.subarray(0, end))).toEqual(await readAll(bytes));
});
