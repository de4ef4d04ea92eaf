import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { installPackages } from '../../../scripts/support/apt.ts';
import { noise } from '../sample-image.ts';
import { coded, decoded, withFolder } from './layers.ts';

beforeAll(() => installPackages(['libarchive-tools', 'python3'], () => {}), 120_000);

const python = `
import sys, tarfile
formats = {'pax': tarfile.PAX_FORMAT, 'gnu': tarfile.GNU_FORMAT, 'ustar': tarfile.USTAR_FORMAT}
with tarfile.open(sys.argv[3], 'w', format=formats[sys.argv[1]]) as tar:
    tar.add(sys.argv[2], '.', filter=lambda entry: entry if sys.argv[1] != 'ustar' or len(entry.name) < 90 else None)
`;
const writers: Record<string, (tree: string, tar: string) => string[]> = {
  'GNU tar, gnu': (tree, tar) => ['tar', '--format=gnu', '--sparse', '-cf', tar, '-C', tree, '.'],
  'GNU tar, posix': (tree, tar) => ['tar', '--format=posix', '--sparse', '-cf', tar, '-C', tree, '.'],
  'GNU tar, v7': (tree, tar) => [
    'tar',
    '--format=v7',
    '--exclude=*long*',
    '--exclude=pipe',
    '-cf',
    tar,
    '-C',
    tree,
    '.',
  ],
  'bsdtar, pax': (tree, tar) => ['bsdtar', '--format=pax', '-cf', tar, '-C', tree, '.'],
  'bsdtar, gnutar': (tree, tar) => ['bsdtar', '--format=gnutar', '-cf', tar, '-C', tree, '.'],
  'Python tarfile, pax': (tree, tar) => ['python3', '-c', python, 'pax', tree, tar],
  'Python tarfile, gnu': (tree, tar) => ['python3', '-c', python, 'gnu', tree, tar],
  'Python tarfile, ustar': (tree, tar) => ['python3', '-c', python, 'ustar', tree, tar],
};

function plant(tree: string): void {
  mkdirSync(path.join(tree, 'usr/long'), { recursive: true });
  for (let at = 0; at < 30; at++) writeFileSync(path.join(tree, `usr/file-${at}`), noise(900 + 300 * at, at));
  writeFileSync(path.join(tree, 'usr/long', 'n'.repeat(200)), noise(5_000, 'long'));
  writeFileSync(Buffer.from(`${tree}/usr/not-utf-8-\xe9`, 'latin1'), 'bytes in a name');
  writeFileSync(path.join(tree, 'usr/empty'), '');
  execFileSync('ln', [path.join(tree, 'usr/file-3'), path.join(tree, 'usr/hard')]);
  execFileSync('ln', ['-s', 'usr/file-3', path.join(tree, 'soft')]);
  execFileSync('truncate', ['-s', '3M', path.join(tree, 'usr/sparse')]);
  execFileSync('sh', [
    '-c',
    'printf here | dd of="$0" bs=1 seek=2000000 conv=notrunc 2>&1',
    path.join(tree, 'usr/sparse'),
  ]);
  execFileSync('mkfifo', [path.join(tree, 'pipe')]);
  spawnSync('setfattr', ['-n', 'user.name', '-v', 'value', path.join(tree, 'usr/file-5')]);
}

function age(tree: string): void {
  for (let at = 0; at < 30; at++) utimesSync(path.join(tree, `usr/file-${at}`), 1_720_000_000.5, 1_720_000_000.25);
  const edited = noise(3_000, 7);
  edited.fill('x', 1_000, 1_020);
  writeFileSync(path.join(tree, 'usr/file-7'), edited);
  writeFileSync(path.join(tree, 'usr/new'), 'new\n'.repeat(100));
}

test.each(Object.keys(writers))('a changed tree written by %s', async (name) => {
  await withFolder(async (folder) => {
    const [before, after] = [path.join(folder, 'before'), path.join(folder, 'after')];
    plant(before);
    execFileSync('cp', ['-a', before, after]);
    age(after);
    const written = (tree: string, by: string) => {
      const tar = path.join(folder, 'tar');
      const [program, ...args] = writers[by]!(tree, tar);
      execFileSync(program!, args, { stdio: ['ignore', 'ignore', 'pipe'] });
      return readFileSync(tar);
    };
    const text = written(after, name);
    for (const by of [name, 'GNU tar, posix', 'bsdtar, gnutar']) {
      const old = written(before, by);
      const { sources, deltas } = await coded([old], [text]);
      expect((await decoded([old], sources, deltas[0]!)).equals(text)).toBe(true);
      expect(sources.length + deltas[0]!.length).toBeLessThan(by === name ? 3_000 : 9_000);
    }
  });
});
