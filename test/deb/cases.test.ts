import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { writePackage } from '../../src/deb/archive.ts';
import { textFile, withParents } from '../../src/deb/entry.ts';
import { startHasher } from '../../src/deb/hasher.ts';
import { startStoredGzip } from '../../src/deb/stored-gzip.ts';
import { packOne } from './support/pack.ts';
import { deb, makeProject } from './support/project.ts';

const cli = join(import.meta.dirname, '../../src/cli/main.ts');
const shell = (script: string, ...args: string[]) =>
  execFileSync('sh', ['-c', script, 'sh', ...args], { encoding: 'utf8', maxBuffer: 1e9 });

describe('100,000 small files', () => {
  test('are all in the package, each with its sum', async () => {
    const entries = withParents(
      Array.from({ length: 100_000 }, (_, index) => textFile(`opt/x/${index % 300}/${index}`, `file ${index}\n`)),
    );
    const file = join(mkdtempSync(join(tmpdir(), 'imgbuild-many-')), 'many.deb');
    const layout = { control: 'Package: x\n', conffiles: [], scripts: {}, entries, compression: 'zstd' } as const;
    await writePackage(file, layout, { mtime: 1 });
    expect(shell('dpkg-deb --fsys-tarfile "$1" | tar -t | wc -l', file).trim()).toBe(String(100_000 + 300 + 3));
    const sums = shell('dpkg-deb --ctrl-tarfile "$1" | tar -xO ./md5sums', file).split('\n');
    expect(sums).toHaveLength(100_001);
    expect(sums).toContain(`${shell('printf "file 77777\\n" | md5sum').slice(0, 32)}  opt/x/77/77777`);
  }, 120_000);
});

test.each([
  ['zstd', 'control.tar.gz'],
  ['xz', 'control.tar.xz'],
] as const)('the sums of many small files are compressed beside data in %s', async (compression, member) => {
  const entries = withParents(
    Array.from({ length: 3000 }, (_, index) => textFile(`opt/x/${index}`, `file ${index}\n`)),
  );
  const file = join(mkdtempSync(join(tmpdir(), 'imgbuild-sums-')), 'sums.deb');
  const layout = { control: 'Package: x\n', conffiles: [], scripts: {}, entries, compression } as const;
  const written = await writePackage(file, layout, { mtime: 1 });
  expect(shell('ar t "$1"', file).split('\n')[1]).toBe(member);
  expect(shell('dpkg-deb --ctrl-tarfile "$1" | tar -xO ./md5sums | wc -l', file).trim()).toBe('3000');
  expect(shell('sha256sum "$1"', file).slice(0, 64)).toBe(written.sha256);
});

test('hard links are files of their own, as git has them', async () => {
  const config = makeProject(
    { 'ccai-links': deb({ contents: [{ src: 'data', dst: '/opt/data' }] }) },
    { 'data/a': 'the same\n' },
  );
  linkSync(join(config.root, 'data/a'), join(config.root, 'data/b'));
  symlinkSync('a', join(config.root, 'data/c'));
  const { file } = await packOne(config);
  const listed = shell('dpkg-deb --fsys-tarfile "$1" | tar -tv', file);
  expect(listed).toMatch(/^-rw-r--r-- .* 9 .*\.\/opt\/data\/a$/m);
  expect(listed).toMatch(/^-rw-r--r-- .* 9 .*\.\/opt\/data\/b$/m);
  expect(listed).toMatch(/^lrwxrwxrwx .*\.\/opt\/data\/c -> a$/m);
});

test('files of all sizes about those of buffers and blocks are in the package as they were', async () => {
  const sizes = [0, 1, 511, 512, 513, 65_535, 65_536, 262_144, 262_145, 1_048_575, 1_048_576, 1_048_577, 20_000_000];
  for (const compression of ['auto', 'none', 'zstd']) {
    const files = Object.fromEntries(sizes.map((size) => [`data/${size}`, randomBytes(size)]));
    const config = makeProject(
      { 'ccai-sizes': deb({ compression, contents: [{ src: 'data', dst: '/opt/data' }] }) },
      files,
    );
    const { file } = await packOne(config);
    const folder = mkdtempSync(join(tmpdir(), 'imgbuild-sizes-'));
    execFileSync('dpkg-deb', ['-R', file, folder]);
    for (const size of sizes) {
      expect(readFileSync(join(folder, 'opt/data', String(size))).equals(files[`data/${size}`]!), String(size)).toBe(
        true,
      );
    }
    execFileSync('md5sum', ['--quiet', '-c', 'DEBIAN/md5sums'], { cwd: folder });
  }
});

test('two builds on one core and on all are the same, byte for byte', () => {
  const files = { 'data/text': 'all work and no play\n'.repeat(1_400_000), 'data/weights': randomBytes(2_000_000) };
  const roots = ['first', 'second'].map(() => makeProject({}, files).root);
  const script = join(roots[0]!, 'pack.ts');
  const source = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
  writeFileSync(
    script,
    `import { pack } from ${source('./support/pack.ts')};
import { deb, parseProject } from ${source('./support/project.ts')};
const contents = (name, compression) => deb({ compression, contents: [{ src: 'data', dst: '/opt/' + name }] });
const names = ['auto', 'zstd', 'xz', 'gzip', 'none'];
const config = parseProject(process.argv[2], Object.fromEntries(names.map((name) => ['ccai-' + name, contents(name, name)])));
for (const { sha256 } of await pack(config)) console.log(sha256);`,
  );
  const one = execFileSync('taskset', ['-c', '0', process.execPath, script, roots[0]!], { encoding: 'utf8' });
  const all = execFileSync(process.execPath, [script, roots[1]!], { encoding: 'utf8' });
  expect(one.trim().split('\n')).toHaveLength(5);
  expect(all).toBe(one);
}, 120_000);

describe('names with spaces, non-ASCII names and paths of 300 bytes', () => {
  const long = `${'deep/'.repeat(55)}${'n'.repeat(25)}`;
  const names = ['with space', ' leading and trailing ', 'ünïcode/naïve.txt', '日本語.txt', "quote's $HOME `x`", long];
  const files = Object.fromEntries(names.map((name) => [`data/${name}`, `content of ${name}`]));
  const contents = [{ src: 'data', dst: '/opt/names' }];

  test.each(['zstd', 'xz', 'gzip', 'none'])('are installed by dpkg -i, packed with %s', async (compression) => {
    expect(Buffer.byteLength(long)).toBe(300);
    const { file } = await packOne(makeProject({ 'ccai-names': deb({ compression, contents }) }, files));
    const root = mkdtempSync(join(tmpdir(), 'imgbuild-root-'));
    for (const folder of ['info', 'updates']) mkdirSync(join(root, 'var/lib/dpkg', folder), { recursive: true });
    writeFileSync(join(root, 'var/lib/dpkg/status'), '');
    execFileSync('dpkg', [`--root=${root}`, '--force-not-root', '--force-script-chrootless', '-i', file], {
      stdio: 'pipe',
    });
    for (const name of names) {
      expect(readFileSync(join(root, 'opt/names', name), 'utf8')).toBe(`content of ${name}`);
    }
    expect(execFileSync('dpkg', [`--root=${root}`, '--verify', 'ccai-names'], { encoding: 'utf8' })).toBe('');
    rmSync(root, { recursive: true });
  });

  test('are listed by ar t and GNU tar', async () => {
    const { file } = await packOne(makeProject({ 'ccai-names': deb({ compression: 'gzip', contents }) }, files));
    const members = execFileSync('ar', ['t', file], { encoding: 'utf8' });
    expect(members).toBe('debian-binary\ncontrol.tar.gz\ndata.tar.gz\n');
    const data = execFileSync('ar', ['p', file, 'data.tar.gz'], { maxBuffer: 1e8 });
    const tar = ['-tz', '--quoting-style=literal', '--show-transformed-names'];
    const listed = execFileSync('tar', tar, { input: data, encoding: 'utf8' }).split('\n');
    for (const name of names) expect(listed).toContain(`./opt/names/${name}`);
    expect(execFileSync('tar', ['--version'], { encoding: 'utf8' })).toContain('GNU tar');
  });
});

test('reprotest-like double build: another folder, home, user, time, time zone, language, umask and order of files', () => {
  const contents = ['b', 'a', 'Z', 'sub/ä', 'sub/c', '0'].map(
    (name) => [name, `content of ${name}\n`.repeat(5000)] as const,
  );
  const build = (order: readonly (readonly [string, string])[], env: Record<string, string>) => {
    const root = mkdtempSync(join(tmpdir(), 'imgbuild-double-'));
    const out = join(root, 'out of the way');
    const yaml = (compression: string) =>
      `  ccai-${compression}:\n    description: files\n    maintainer: A <a@example.com>\n    compression: ${compression}\n    contents: [{ src: data, dst: /opt/${compression} }]\n`;
    const debs = ['auto', 'zstd', 'xz', 'gzip', 'none'].map(yaml).join('');
    writeFileSync(join(root, 'imgbuild.yaml'), `version: 1\nname: ccai\nlayers: {}\ndebs:\n${debs}`);
    mkdirSync(join(root, 'data/sub'), { recursive: true });
    for (const [name, text] of order) writeFileSync(join(root, 'data', name), text);
    const command = [process.execPath, cli, 'debs', '--version', '1.2.0', '-o', out];
    const home = mkdtempSync(join(tmpdir(), 'imgbuild-home-'));
    const umask = env.UMASK ?? '022';
    execFileSync('sh', ['-c', `umask ${umask}; exec "$@"`, 'sh', ...command], {
      cwd: root,
      env: { PATH: process.env.PATH, HOME: home, ...env },
      stdio: 'pipe',
    });
    const sums = readdirSync(out).map((name) => [
      name,
      createHash('sha256')
        .update(readFileSync(join(out, name)))
        .digest('hex'),
    ]);
    for (const folder of [root, home]) rmSync(folder, { recursive: true });
    return sums;
  };
  const first = build(contents, { TZ: 'UTC', LC_ALL: 'C.UTF-8', UMASK: '022' });
  const second = build(contents.toReversed(), {
    TZ: 'Pacific/Kiritimati',
    LC_ALL: 'tr_TR.UTF-8',
    LANGUAGE: 'tr',
    UMASK: '077',
    XZ_DEFAULTS: '-9',
    ZSTD_CLEVEL: '19',
    GZIP: '-1',
    USER: 'somebody',
  });
  expect(first).toHaveLength(5);
  expect(second).toEqual(first);
}, 180_000);

test('gzip that is stored piece by piece is what gzip reads, empty or not', async () => {
  for (const pieces of [[], [randomBytes(1)], [randomBytes(65_535), randomBytes(65_536), randomBytes(1_000_000)]]) {
    const parts: Buffer[] = [];
    const stored = startStoredGzip(async (more) => void parts.push(...more.map((part) => Buffer.from(part))));
    for (const piece of pieces) await stored.write(piece);
    await stored.end();
    const unpacked = execFileSync('gzip', ['-dc'], { input: Buffer.concat(parts), maxBuffer: 1e8 });
    expect(unpacked.equals(Buffer.concat(pieces))).toBe(true);
  }
});

test.each([0, 100_000_000])('a hasher for %i bytes hashes pieces of files and whole files', async (size) => {
  const hasher = startHasher(size);
  try {
    const buffer = new SharedArrayBuffer(8);
    Buffer.from(buffer).write('abcdefgh');
    const md5 = (text: string) => execFileSync('md5sum', { input: text, encoding: 'utf8' }).slice(0, 32);
    const first = [
      { start: 0, end: 3, ends: true },
      { start: 4, end: 8, ends: false },
    ];
    expect(await hasher.md5(buffer, first)).toEqual([md5('abc')]);
    expect(await hasher.md5(buffer, [{ start: 0, end: 2, ends: true }])).toEqual([md5('efghab')]);
    const file = join(mkdtempSync(join(tmpdir(), 'imgbuild-hash-')), 'file');
    writeFileSync(file, randomBytes(3_000_000));
    expect(await hasher.sha256(file)).toBe(execFileSync('sha256sum', [file], { encoding: 'utf8' }).slice(0, 64));
    await expect(hasher.sha256('/nowhere')).rejects.toThrow(/ENOENT/);
  } finally {
    await hasher.close();
  }
});

test('a folder that this user may not list is an error', async () => {
  const config = makeProject(
    { 'ccai-x': deb({ contents: [{ src: 'data', dst: '/opt/data' }] }) },
    { 'data/sub/a': '' },
  );
  execFileSync('chmod', ['-R', 'a+rX', config.root]);
  execFileSync('chmod', ['0', join(config.root, 'data/sub')]);
  if (process.getuid?.() === 0) process.seteuid!(65_534);
  try {
    await expect(packOne(config)).rejects.toMatchObject({ because: 'this user may not read it' });
  } finally {
    if (process.getuid?.() === 0) process.seteuid!(0);
  }
});
