import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { arHeader, arMaxSize } from '../../src/deb/ar.ts';
import { writePackage, type PackageLayout } from '../../src/deb/archive.ts';
import { findCompressors } from '../../src/deb/compressors.ts';
import { textFile, withParents, type PackageEntry } from '../../src/deb/entry.ts';
import { planDebs, sourceDateOf, type PackedDeb } from '../../src/deb/pack-debs.ts';
import { pack, packOne } from './support/pack.ts';
import { deb, makeProject } from './support/project.ts';

const read = (program: string, ...args: string[]) => execFileSync(program, args, { encoding: 'utf8', maxBuffer: 1e9 });

const files = {
  'data/plain.txt': 'hello\n',
  'data/program': '#!/bin/sh\n',
  'data/empty': '',
  'data/with space': 'x',
  'data/ünïcode/naïve.bin': randomBytes(100_000),
  [`data/${'deep/'.repeat(55)}${'n'.repeat(20)}`]: '300 bytes of path',
  'data/big.txt': 'all work and no play\n'.repeat(300_000),
};

function dataProject(more: object = {}) {
  const config = makeProject(
    { 'ccai-data': deb({ contents: [{ src: 'data', dst: '/usr/share/ccai' }], ...more }) },
    files,
  );
  chmodSync(join(config.root, 'data/program'), 0o775);
  symlinkSync('plain.txt', join(config.root, 'data/link'));
  return config;
}

/** The listing of GNU tar: mode, owner, size, time, name. */
const listing = (file: string) =>
  execFileSync('sh', ['-c', 'dpkg-deb --fsys-tarfile "$1" | tar -tv --full-time', 'sh', file], {
    encoding: 'utf8',
    maxBuffer: 1e9,
    env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' },
  });

describe('a package', () => {
  test.each(['auto', 'zstd', 'xz', 'gzip', 'none'])(
    'compressed by %s is read by ar, dpkg-deb and GNU tar',
    async (compression) => {
      const { file, sha256, size } = await packOne(dataProject({ compression }));
      const members = read('ar', 't', file).trim().split('\n');
      expect(members.slice(0, 2)).toEqual(['debian-binary', 'control.tar.gz']);
      const expected = { auto: '.zst', zstd: '.zst', xz: '.xz', gzip: '.gz', none: '' }[compression];
      expect(members[2]).toBe(`data.tar${expected}`);
      expect(size).toBe(statSync(file).size);
      expect(sha256).toBe(createHash('sha256').update(readFileSync(file)).digest('hex'));

      const root = mkdtempSync(join(tmpdir(), 'imgbuild-x-'));
      read('dpkg-deb', '-R', file, root);
      for (const [path, content] of Object.entries(files)) {
        const unpacked = readFileSync(join(root, 'usr/share/ccai', path.slice('data/'.length)));
        expect(unpacked.equals(Buffer.from(content)), path).toBe(true);
      }
      const checked = execFileSync('md5sum', ['-c', 'DEBIAN/md5sums'], { cwd: root, encoding: 'utf8' });
      expect(
        checked
          .trim()
          .split('\n')
          .every((line) => line.endsWith(': OK')),
      ).toBe(true);
      const overrides = compression === 'xz' || compression === 'gzip' ? 0 : 1;
      expect(checked.trim().split('\n')).toHaveLength(Object.keys(files).length + 2 + overrides);
      rmSync(root, { recursive: true });
    },
  );

  test('has parents in front, byte order, root as owner, one time, and modes of git', async () => {
    const { file } = await packOne(dataProject(), { sourceDate: 1_600_000_000 });
    const lines = listing(file).trim().split('\n');
    expect(lines.every((line) => / root\/root .* 2020-09-13 12:26:40 /.test(line))).toBe(true);
    const entries = lines.map((line) => [line.slice(0, 10), line.replace(/^.*12:26:40 /, '')]);
    expect(entries.slice(0, 4)).toEqual([
      ['drwxr-xr-x', './'],
      ['drwxr-xr-x', './usr/'],
      ['drwxr-xr-x', './usr/share/'],
      ['drwxr-xr-x', './usr/share/ccai/'],
    ]);
    expect(entries).toContainEqual(['-rwxr-xr-x', './usr/share/ccai/program']);
    expect(entries).toContainEqual(['-rw-r--r--', './usr/share/ccai/plain.txt']);
    expect(entries).toContainEqual(['lrwxrwxrwx', './usr/share/ccai/link -> plain.txt']);
  });

  test('is the same in another folder, at another time, under another umask', async () => {
    const first = dataProject();
    const second = dataProject();
    for (const [path, content] of Object.entries(files)) {
      writeFileSync(join(first.root, path), content);
      writeFileSync(join(second.root, path), content);
      chmodSync(join(second.root, path), path === 'data/program' ? 0o700 : 0o600);
      utimesSync(join(second.root, path), 1, 1);
    }
    chmodSync(join(second.root, 'data'), 0o2700);
    for (const compression of ['auto', 'xz', 'gzip'] as const) {
      for (const config of [first, second]) config.debs[0]!.compression = compression;
      const [a, b] = [await packOne(first), await packOne(second)];
      expect(a.sha256, compression).toBe(b.sha256);
    }
  });

  test('that is empty: an empty package is one that dpkg reads', async () => {
    const { file } = await packOne(makeProject({ 'ccai-empty': deb({}) }));
    expect(read('dpkg-deb', '-c', file)).toContain('./usr/share/doc/ccai-empty/copyright');
    const layout: PackageLayout = { control: '', conffiles: [], scripts: {}, entries: [], compression: 'gzip' };
    const bare = join(mkdtempSync(join(tmpdir(), 'imgbuild-bare-')), 'bare.deb');
    await writePackage(bare, layout, { mtime: 0 });
    expect(listing(bare).trim().split('\n')).toHaveLength(1);
  });

  test('of 20,000 small files is complete', async () => {
    const entries = withParents(
      Array.from({ length: 20_000 }, (_, index) => textFile(`opt/x/${index % 100}/${index}`, `file ${index}\n`)),
    );
    const file = join(mkdtempSync(join(tmpdir(), 'imgbuild-many-')), 'many.deb');
    await writePackage(
      file,
      { control: 'Package: x\n', conffiles: [], scripts: {}, entries, compression: 'zstd' },
      { mtime: 1 },
    );
    expect(listing(file).trim().split('\n')).toHaveLength(20_000 + 100 + 3);
    const sums = read('dpkg-deb', '-I', file, 'md5sums');
    const md5 = (text: string) => createHash('md5').update(text).digest('hex');
    const expected = Array.from({ length: 20_000 }, (_, n) => `${md5(`file ${n}\n`)}  opt/x/${n % 100}/${n}`);
    expect(sums.trim().split('\n').toSorted()).toEqual(expected.toSorted());
    const control = Number(/control\.tar\.gz +[0-9]+ +0 +0 +100644 +([0-9]+)/.exec(readFileSync(file, 'latin1'))![1]);
    expect(control, 'sums of many files are compressed').toBeLessThan(sums.length / 2);
  });

  test.each(['zstd', 'auto'])(
    'by %s is compressed by the zstd program, or by Node where that is not there',
    async (by) => {
      const config = dataProject({ compression: by });
      const { PATH } = process.env;
      const version = read('zstd', '--version').trim();
      const found = async () => (await findCompressors(await planDebs({ config, version: '1.0.0', images: [] }))).zstd;
      const program = await packOne(config);
      expect(await found()).toEqual({ by: 'program', version });
      process.env.PATH = '/nowhere';
      let node: PackedDeb;
      try {
        node = await packOne(config);
        expect(await found()).toMatchObject({ by: 'node' });
      } finally {
        process.env.PATH = PATH;
      }
      expect(node.sha256).not.toBe(program.sha256);
      const [data, other] = [program, node].map(({ file }) =>
        execFileSync('dpkg-deb', ['--fsys-tarfile', file], { maxBuffer: 1e9 }),
      );
      expect(other!.equals(data!), 'dpkg reads the first frame alone').toBe(true);
    },
  );

  test('does not depend on what the environment tells zstd and xz', async () => {
    const config = dataProject({ compression: 'zstd' });
    const before = await packOne(config);
    const variables = { ZSTD_CLEVEL: '19', ZSTD_NBTHREADS: '1', XZ_DEFAULTS: '-0', XZ_OPT: '-0' };
    Object.assign(process.env, variables);
    try {
      expect((await packOne(config)).sha256).toBe(before.sha256);
    } finally {
      for (const name of Object.keys(variables)) delete process.env[name];
    }
  });

  test('takes only the control fields, conffiles and scripts that it has', async () => {
    const config = makeProject(
      { 'ccai-conf': deb({ contents: [{ src: 'etc', dst: '/etc/ccai' }] }), 'ccai-plain': deb({}) },
      { 'etc/a': '1' },
    );
    const [conf, plain] = await pack(config);
    const control = (file: string) =>
      execFileSync('sh', ['-c', 'dpkg-deb --ctrl-tarfile "$1" | tar -t', 'sh', file], { encoding: 'utf8' })
        .trim()
        .split('\n');
    expect(control(conf!.file)).toEqual(['./', './conffiles', './control', './md5sums']);
    expect(control(plain!.file)).toEqual(['./', './control', './md5sums']);
    expect(read('dpkg-deb', '-I', conf!.file, 'conffiles')).toBe('/etc/ccai/a\n');
    expect(read('dpkg-deb', '-I', conf!.file, 'md5sums')).not.toContain('etc/ccai/a');
  });

  test('whose data pass the ar format is refused before work starts', async () => {
    const huge: PackageEntry = {
      type: 'file',
      path: 'opt/huge',
      mode: 0o644,
      size: arMaxSize,
      source: { from: 'bytes', bytes: Buffer.alloc(0) },
    };
    const folder = mkdtempSync(join(tmpdir(), 'imgbuild-huge-'));
    const layout: PackageLayout = {
      control: '',
      conffiles: [],
      scripts: {},
      entries: withParents([huge]),
      compression: 'none',
    };
    await expect(writePackage(join(folder, 'huge.deb'), layout, { mtime: 0 })).rejects.toThrow(
      /the format ends at 9999999999/,
    );
    expect(readdirSync(folder)).toEqual([]);
    expect(() => arHeader('data.tar', arMaxSize + 1, 0)).toThrow(/no room/);
  });
});

test.each([
  ['that is a file', (root: string) => join(root, 'data/x'), 'a file is in the way'],
  ['below a file', (root: string) => join(root, 'data/x/out'), 'a file is in the way'],
  ['where the kernel makes none, which ends', () => '/proc/imgbuild', 'no folder can be made there'],
])('an output folder %s is an error that says what to do', async (_, directoryIn, because) => {
  const contents = [{ src: 'data', dst: '/opt/data' }];
  const config = makeProject({ 'ccai-data': deb({ contents }) }, { 'data/x': 'x' });
  await expect(pack(config, { directory: directoryIn(config.root) })).rejects.toMatchObject({
    because,
    fix: 'choose another folder with -o',
  });
});

test('a file that this user may not read is an error', async () => {
  const config = makeProject(
    { 'ccai-data': deb({ contents: [{ src: 'data', dst: '/opt/data' }] }) },
    { 'data/secret': 'x' },
  );
  chmodSync(config.root, 0o755);
  chmodSync(join(config.root, 'data/secret'), 0);
  const directory = mkdtempSync(join(tmpdir(), 'imgbuild-unreadable-'));
  chmodSync(directory, 0o777);
  // Root may read everything: the test goes on as nobody, who must get through the folder of temporary files.
  const { mode } = statSync(tmpdir());
  if ((mode & 0o001) === 0) chmodSync(tmpdir(), mode | 0o011);
  if (process.getuid?.() === 0) process.seteuid!(65_534);
  try {
    await expect(pack(config, { directory })).rejects.toMatchObject({
      doing: 'reading data/secret',
      because: 'this user may not read it',
    });
    expect(readdirSync(directory)).toEqual([]);
  } finally {
    if (process.getuid?.() === 0) process.seteuid!(0);
  }
});

test('SOURCE_DATE_EPOCH is seconds, or refused', () => {
  expect(sourceDateOf({})).toBeUndefined();
  expect(sourceDateOf({ SOURCE_DATE_EPOCH: '1700000000' })).toBe(1_700_000_000);
  expect(() => sourceDateOf({ SOURCE_DATE_EPOCH: 'now' })).toThrow(/not a number of seconds/);
});

test('xz that is not installed is named', async () => {
  const config = makeProject({ 'ccai-data': deb({ compression: 'xz' }) });
  const { PATH } = process.env;
  process.env.PATH = '/nowhere';
  try {
    await expect(pack(config)).rejects.toMatchObject({
      because: 'there is no such program on PATH',
      fix: expect.stringContaining('install xz-utils'),
    });
  } finally {
    process.env.PATH = PATH;
  }
});
