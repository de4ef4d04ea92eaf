import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, linkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  blockSize,
  decodeHeader,
  encodedHeaderSize,
  encodeHeader,
  isZeroBlock,
  padding,
  type TarHeader,
} from '../../src/tar/header.ts';
import { decodeName, encodeName } from '../../src/tar/name.ts';
import { applyPax, decodePax, type PaxRecords } from '../../src/tar/pax.ts';

const plain: TarHeader = {
  name: './etc/motd',
  type: 'file',
  mode: 0o644,
  uid: 0,
  gid: 0,
  size: 5,
  mtime: 1_700_000_000,
  linkName: '',
  userName: 'root',
  groupName: 'root',
  deviceMajor: 0,
  deviceMinor: 0,
};

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'tar-header-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Every header of an archive, as a reader of the stream would join them. */
function readAll(archive: Buffer): TarHeader[] {
  const headers: TarHeader[] = [];
  let longName: string | undefined;
  let longLink: string | undefined;
  let records: PaxRecords = new Map();
  for (let at = 0; !isZeroBlock(archive.subarray(at, at + blockSize));) {
    const header = decodeHeader(archive.subarray(at, at + blockSize));
    const hasContents = ['file', 'pax', 'pax-global', 'gnu-long-name', 'gnu-long-link'].includes(header.type);
    const body = archive.subarray(at + blockSize, at + blockSize + (hasContents ? header.size : 0));
    at += blockSize + body.length + padding(body.length);
    if (header.type === 'gnu-long-name') longName = decodeName(body.subarray(0, -1));
    else if (header.type === 'gnu-long-link') longLink = decodeName(body.subarray(0, -1));
    else if (header.type === 'pax') records = decodePax(body);
    else {
      if (longName !== undefined) header.name = longName;
      if (longLink !== undefined) header.linkName = longLink;
      headers.push(applyPax(header, records));
      longName = longLink = undefined;
      records = new Map();
    }
  }
  return headers;
}

function makeTree(): string {
  const tree = mkdtempSync(join(folder, 'tree-'));
  const long = join('a'.repeat(90), 'ä b'.repeat(30));
  mkdirSync(join(tree, 'a'.repeat(90)));
  writeFileSync(join(tree, long), 'long');
  writeFileSync(join(tree, 'plain'), 'hello', { mode: 0o755 });
  writeFileSync(Buffer.concat([Buffer.from(`${tree}/latin-`), Buffer.of(0xe9)]), 'x');
  symlinkSync('plain', join(tree, 'soft'));
  symlinkSync('z'.repeat(150), join(tree, 'soft-long'));
  linkSync(join(tree, 'plain'), join(tree, 'zhard'));
  utimesSync(join(tree, 'plain'), 1_700_000_000, 1_700_000_000);
  return tree;
}

const tarOptions = ['--sort=name', '--owner=root:0', '--group=root:0', '--mtime=@1700000000', '-b1', '-cf', '-'];

function gnuTar(format: string, tree: string): Buffer {
  return execFileSync('tar', [`--format=${format}`, ...tarOptions, '-C', tree, '.']);
}

describe('headers of GNU tar', () => {
  test('are read from gnu and pax archives with the same result', () => {
    const tree = makeTree();
    const gnu = readAll(gnuTar('gnu', tree));
    expect(readAll(gnuTar('pax', tree))).toEqual(gnu);
    expect(gnu.map((header) => [header.type, header.name, header.linkName])).toEqual([
      ['directory', './', ''],
      ['directory', `./${'a'.repeat(90)}/`, ''],
      ['file', `./${'a'.repeat(90)}/${'ä b'.repeat(30)}`, ''],
      ['file', './latin-\udce9', ''],
      ['file', './plain', ''],
      ['symlink', './soft', 'plain'],
      ['symlink', './soft-long', 'z'.repeat(150)],
      ['link', './zhard', './plain'],
    ]);
  });

  test('are written byte for byte as GNU tar writes them', () => {
    const archive = gnuTar('gnu', makeTree());
    const headers = readAll(archive);
    let at = 0;
    for (const header of headers) {
      const ours = encodeHeader(header);
      expect(ours).toEqual(archive.subarray(at, at + ours.length));
      expect(encodedHeaderSize(header)).toBe(ours.length);
      at += ours.length + (header.type === 'file' ? header.size + padding(header.size) : 0);
    }
  });

  test('of ustar carry the prefix, of v7 mark folders by name', () => {
    const tree = mkdtempSync(join(folder, 'tree-'));
    mkdirSync(join(tree, 'b'.repeat(80)));
    writeFileSync(join(tree, 'b'.repeat(80), 'c'.repeat(60)), '');
    expect(readAll(gnuTar('ustar', tree)).at(-1)?.name).toBe(`./${'b'.repeat(80)}/${'c'.repeat(60)}`);
    rmSync(join(tree, 'b'.repeat(80), 'c'.repeat(60)));
    const v7 = readAll(gnuTar('v7', tree));
    expect(v7.map((header) => header.type)).toEqual(['directory', 'directory']);
  });

  test('of a file beyond 8 GiB: GNU tar lists the size that we wrote', () => {
    const size = 12_345_678_901;
    const block = encodeHeader({ ...plain, size });
    writeFileSync(join(folder, 'big.tar'), block);
    const { stdout } = spawnTar(['-tvf', join(folder, 'big.tar')]);
    expect(stdout).toContain(` ${size} `);
    expect(decodeHeader(block).size).toBe(size);
  });

  test('listed by python tarfile equal ours', () => {
    const file = join(folder, 'py.tar');
    const body = Buffer.concat([Buffer.from('hello'), Buffer.alloc(padding(5))]);
    const long = { ...plain, name: `./${'d'.repeat(300)}`, mode: 0o4755 };
    writeFileSync(
      file,
      Buffer.concat([encodeHeader(plain), body, encodeHeader(long), body, Buffer.alloc(2 * blockSize)]),
    );
    const script =
      'import tarfile,json,sys;print(json.dumps([[m.name,m.mode,m.size,m.mtime] for m in tarfile.open(sys.argv[1])]))';
    const listed = JSON.parse(execFileSync('python3', ['-c', script, file], { encoding: 'utf8' }));
    expect(listed).toEqual([
      [plain.name, plain.mode, 5, plain.mtime],
      [long.name, 0o4755, 5, plain.mtime],
    ]);
  });
});

/** tar complains about the end of our header-only archives; its listing is what counts. */
function spawnTar(args: string[]): { stdout: string } {
  try {
    return { stdout: execFileSync('tar', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }) };
  } catch (error) {
    return { stdout: (error as { stdout: string }).stdout };
  }
}

describe('any header', () => {
  const nameBytes = fc.uint8Array({ minLength: 1, maxLength: 300 }).filter((bytes) => !bytes.includes(0));

  test('written and read again is the same', () => {
    const headers = fc.record<TarHeader>({
      name: nameBytes.map((bytes) => `./${decodeName(bytes)}x`),
      type: fc.constantFrom('file', 'directory', 'symlink', 'link', 'character-device', 'fifo'),
      mode: fc.integer({ min: 0, max: 0o7777 }),
      uid: fc.integer({ min: 0, max: 2 ** 32 }),
      gid: fc.integer({ min: 0, max: 2 ** 32 }),
      size: fc.oneof(fc.integer({ min: 0, max: 1e6 }), fc.maxSafeNat()),
      mtime: fc.oneof(fc.maxSafeInteger(), fc.integer({ min: 0, max: 2e9 })),
      linkName: fc.oneof(fc.constant(''), nameBytes.map(decodeName)),
      userName: fc.constantFrom('root', '', 'user'),
      groupName: fc.constantFrom('root', '', 'ü'),
      deviceMajor: fc.constant(0),
      deviceMinor: fc.constant(0),
    });
    fc.assert(
      fc.property(headers, (header) => {
        const bytes = encodeHeader(header);
        expect(bytes.length).toBe(encodedHeaderSize(header));
        const last = decodeHeader(bytes.subarray(-blockSize));
        const isShort = bytes.length === blockSize;
        if (isShort) expect(last).toEqual(header);
        else expect({ ...last, name: '', linkName: '' }).toEqual({ ...header, name: '', linkName: '' });
      }),
    );
  });

  test('with one bit flipped in its fields is refused or differs', () => {
    const block = encodeHeader(plain);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 8 * blockSize - 1 }), (bit) => {
        const broken = Buffer.from(block);
        broken[bit >> 3]! ^= 1 << (bit & 7);
        const inChecksum = bit >> 3 >= 148 && bit >> 3 < 156;
        if (!inChecksum) expect(() => decodeHeader(broken)).toThrow(/checksum/);
      }),
    );
  });

  test('of random bytes never makes the reader crash', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: blockSize, maxLength: blockSize }), (block) => {
        expect(() => decodeHeader(block)).toThrow(/reading a tar header/);
      }),
    );
  });

  test('that the format cannot say is refused', () => {
    expect(() => encodeHeader({ ...plain, mtime: 1.5 })).toThrow(/mtime is 1.5, not a whole number/);
    expect(() => encodeHeader({ ...plain, type: 'pax' })).toThrow(/never written/);
    expect(() => encodeHeader({ ...plain, name: 'a\0b' })).toThrow(/NUL/);
    expect(() => encodeHeader({ ...plain, userName: 'u'.repeat(32) })).toThrow(/longer than 31 bytes/);
  });
});

describe('names', () => {
  test('of any bytes come back as they were', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        expect(encodeName(decodeName(bytes))).toEqual(Buffer.from(bytes));
      }),
    );
  });

  test('that differ in bytes differ as strings', () => {
    expect(decodeName(Buffer.of(0xe9))).not.toBe(decodeName(Buffer.from('é')));
    expect(decodeName(Buffer.from('\ufffd'))).toBe('\ufffd');
  });
});

describe('pax records', () => {
  test('with wrong lengths are refused', () => {
    for (const bad of ['10 a=b\n', '5 a=b', 'x a=b\n', '4 ab\n', '3 =\n\n', '0 a=b\n', '-6 a=b\n']) {
      expect(() => decodePax(Buffer.from(bad)), bad).toThrow(/reading a pax header/);
    }
  });

  test('give sizes and fractions of seconds', () => {
    const records = decodePax(Buffer.from('20 size=99999999999\n20 mtime=1500.25000\n'));
    expect(applyPax(plain, records)).toMatchObject({ size: 99_999_999_999, mtime: 1500.25 });
  });

  test('of random bytes never make the reader crash', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        try {
          decodePax(bytes);
        } catch (error) {
          expect((error as Error).message).toMatch(/reading a pax header/);
        }
      }),
    );
  });
});
