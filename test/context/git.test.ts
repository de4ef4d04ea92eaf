import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { everything, git, put, read, repository, temporary } from './fixture.ts';
import { naive } from './naive.ts';

async function expectTrue(root: string): Promise<Record<string, string>> {
  const found = await everything(root);
  expect(found).toEqual(naive(root));
  return found;
}

const blob = (text: string): string =>
  createHash('sha1')
    .update(`blob ${Buffer.byteLength(text)}\0${text}`)
    .digest('hex');

const files = { 'a/x': 'x1', 'a/y': 'y1', 'b/run': { exec: 'run' }, 'b/l': { link: '../a/x' }, c: 'c1' };

/** Later than anything that a test has made: nothing is racily clean. */
async function settle(root: string): Promise<void> {
  const past = new Date(Date.now() - 60_000);
  for (const path of Object.keys(files)) if (path !== 'b/l') utimesSync(join(root, path), past, past);
  git(root, 'update-index', '-q', '--refresh');
}

test('a clean tree', async () => {
  const root = repository(files);
  await settle(root);
  expect(Object.keys(await expectTrue(root))).toHaveLength(5);
});

test('modified, deleted, untracked, staged, renamed, chmod', async () => {
  const root = repository(files);
  writeFileSync(join(root, 'a/x'), 'x2');
  rmSync(join(root, 'a/y'));
  chmodSync(join(root, 'b/run'), 0o644);
  git(root, 'mv', 'c', 'd');
  put(root, 'new/n', 'n');
  put(root, 'staged', 's');
  git(root, 'add', 'staged');
  writeFileSync(join(root, 'staged'), 's2');
  const found = await expectTrue(root);
  expect(found['a/x']).toBe(`100644 ${blob('x2')}`);
});

test('the same size within the same moment', async () => {
  for (let round = 0; round < 10; round++) {
    const root = repository({ f: 'before' });
    writeFileSync(join(root, 'f'), 'after!');
    expect((await expectTrue(root))['f']).toBe(`100644 ${blob('after!')}`);
  }
});

test('the same size and mtime', async () => {
  const root = repository(files);
  await settle(root);
  const { atime, mtime } = statSync(join(root, 'c'));
  // As most systems build it, git compares whole seconds.
  await setTimeout(1100);
  writeFileSync(join(root, 'c'), 'c2');
  utimesSync(join(root, 'c'), atime, mtime);
  git(root, 'config', 'core.trustctime', 'false');
  git(root, 'config', 'core.checkStat', 'minimal');
  await expectTrue(root);
});

test('assume-unchanged and skip-worktree', async () => {
  const root = repository({ assumed: '1', skipped: '1', gone: '1', 'd/gone': '1' });
  git(root, 'update-index', '--assume-unchanged', 'assumed');
  git(root, 'update-index', '--skip-worktree', 'skipped', 'gone', 'd/gone');
  writeFileSync(join(root, 'assumed'), '2');
  writeFileSync(join(root, 'skipped'), '2');
  rmSync(join(root, 'gone'));
  rmSync(join(root, 'd'), { recursive: true });
  expect(Object.keys(await expectTrue(root))).toEqual(['assumed', 'skipped']);
});

test('core.fileMode false', async () => {
  const root = repository(files);
  git(root, 'config', 'core.fileMode', 'false');
  chmodSync(join(root, 'c'), 0o755);
  expect((await expectTrue(root))['c']).toMatch(/^100755/);
});

test('intent to add, and an unmerged path', async () => {
  const root = repository({ f: 'base', g: 'g' });
  git(root, 'checkout', '-qb', 'other');
  writeFileSync(join(root, 'f'), 'theirs');
  git(root, 'commit', '-qam', 'theirs');
  git(root, 'checkout', '-q', 'main');
  writeFileSync(join(root, 'f'), 'ours');
  git(root, 'commit', '-qam', 'ours');
  expect(() => git(root, 'merge', '-q', 'other')).toThrow();
  put(root, 'intended', 'i');
  git(root, 'add', '-N', 'intended');
  expect(Object.keys(await expectTrue(root))).toEqual(['f', 'g', 'intended']);
});

test('a file in a folder’s place, a folder in a file’s, a link in a folder’s', async () => {
  const root = repository({ 'd/f': 'f', e: 'e', 'k/x': 'x', 'other/x': 'x' });
  rmSync(join(root, 'd'), { recursive: true });
  put(root, 'd', 'now a file');
  rmSync(join(root, 'e'));
  put(root, 'e/in', 'inside');
  rmSync(join(root, 'k'), { recursive: true });
  symlinkSync('other', join(root, 'k'));
  expect(Object.keys(await expectTrue(root))).toEqual(['d', 'e/in', 'k', 'other/x']);
});

test('files that git ignores but COPY takes', async () => {
  const root = repository({ '.gitignore': 'build\n*.log\n', 'src/a': 'a' });
  put(root, 'build/out/bin', { exec: 'bin' });
  put(root, 'src/x.log', 'log');
  put(root, 'build/empty', null);
  expect(Object.keys(await expectTrue(root))).toEqual([
    '.gitignore',
    'build/empty',
    'build/out/bin',
    'src/a',
    'src/x.log',
  ]);
});

test('folders that lost all their files', async () => {
  const root = repository({ 'a/b/f': 'f', 'a/c/g': 'g', 'h/i': 'i' });
  rmSync(join(root, 'a/b/f'));
  rmSync(join(root, 'a/c'), { recursive: true });
  rmSync(join(root, 'h'), { recursive: true });
  expect(Object.keys(await expectTrue(root))).toEqual(['a/b']);
});

test('the root in a bigger repository, tracked, ignored and untracked', async () => {
  const top = repository({ 'in/root/a': 'a', 'in/b': 'b', '.gitignore': 'ignored\n', '.gitattributes': '*.x ident\n' });
  put(top, 'ignored/root/c', 'c');
  put(top, 'untracked/root/d', 'd');
  put(top, 'in/root/y.x', '$Id$');
  git(top, 'add', 'in/root/y.x');
  git(top, 'commit', '-qm', 'x');
  rmSync(join(top, 'in/root/y.x'));
  git(top, 'checkout', 'in/root/y.x');
  expect(Object.keys(await expectTrue(join(top, 'in/root')))).toEqual(['a', 'y.x']);
  expect(Object.keys(await expectTrue(join(top, 'ignored/root')))).toEqual(['c']);
  expect(Object.keys(await expectTrue(join(top, 'untracked/root')))).toEqual(['d']);
});

test('a shallow clone, a worktree and a sparse checkout', async () => {
  const origin = repository({ 'a/f': 'f', 'b/g': 'g', top: 't' });
  git(origin, 'commit', '-qm', 'second', '--allow-empty');
  const place = temporary();
  git(place, 'clone', '-q', '--depth', '1', `file://${origin}`, 'shallow');
  expect(await expectTrue(join(place, 'shallow'))).toEqual(naive(origin));
  git(origin, 'worktree', 'add', '-q', join(place, 'tree'));
  writeFileSync(join(place, 'tree/a/f'), 'F');
  await expectTrue(join(place, 'tree'));
  const sparse = join(place, 'shallow');
  git(sparse, 'sparse-checkout', 'set', '--sparse-index', 'a');
  expect(Object.keys(await expectTrue(sparse))).toEqual(['a/f', 'top']);
  put(sparse, 'b/here', 'all the same');
  expect(Object.keys(await expectTrue(sparse))).toEqual(['a/f', 'b/here', 'top']);
});

test('a submodule counts by its own bytes', async () => {
  const sub = repository({ 's/f': 'sub' });
  const root = repository({ own: 'o' });
  git(root, 'submodule', '--quiet', 'add', sub, 'mod');
  git(root, 'commit', '-qm', 'mod');
  writeFileSync(join(root, 'mod/s/f'), 'changed');
  put(root, 'mod/untracked', 'u');
  expect(Object.keys(await expectTrue(root))).toEqual(['.gitmodules', 'mod/s/f', 'mod/untracked', 'own']);
  const clone = join(temporary(), 'clone');
  git(root, 'clone', '-q', root, clone);
  expect(Object.keys(await expectTrue(clone))).toEqual(['.gitmodules', 'mod', 'own']);
});

test('a repository inside, untracked', async () => {
  const root = repository({ a: 'a' });
  put(root, 'inner/f', 'f');
  git(join(root, 'inner'), 'init', '-q');
  git(join(root, 'inner'), 'add', '-A');
  expect(Object.keys(await expectTrue(root))).toEqual(['a', 'inner/f']);
});

test('a repository inside, whose files the outer one tracks too', async () => {
  const root = repository({ 'inner/f': 'f', 'inner/d/g': 'g' });
  git(join(root, 'inner'), 'init', '-q');
  put(root, 'inner/new', 'n');
  put(root, 'inner/d/new', 'n');
  put(root, 'inner/e/new', 'n');
  await expectTrue(root);
});

test.each([
  ['text=auto', '* text=auto\n', 'a\r\nb\r\n'],
  ['eol=crlf', '*.txt text eol=crlf\n', 'a\r\nb\r\n'],
  ['ident', '* ident\n', '$Id$\n'],
  ['working-tree-encoding', '*.txt text working-tree-encoding=UTF-16LE\n', Buffer.from('ab', 'utf16le')],
  ['a macro', '[attr]mine ident\n*.txt mine\n', '$Id$\n'],
])('the attribute %s: the bytes on the disk count', async (_, attributes, content) => {
  const root = repository({ '.gitattributes': attributes });
  put(root, 'd/f.txt', content);
  git(root, 'add', 'd/f.txt');
  git(root, 'commit', '-qm', 'x');
  rmSync(join(root, 'd/f.txt'));
  git(root, 'checkout', 'd/f.txt');
  await expectTrue(root);
});

test('attributes from .git/info, and of a .gitattributes that is gone', async () => {
  const root = repository({ 'd/f': '$Id$\n' });
  writeFileSync(join(root, '.git/info/attributes'), 'f ident\n');
  rmSync(join(root, 'd/f'));
  git(root, 'checkout', 'd/f');
  await expectTrue(root);
  const other = repository({ '.gitattributes': '* ident\n', f: '$Id$\n' });
  rmSync(join(other, 'f'));
  git(other, 'checkout', 'f');
  rmSync(join(other, '.gitattributes'));
  await expectTrue(other);
});

test.each(['true', 'input'])('core.autocrlf %s', async (value) => {
  const root = repository({});
  git(root, 'config', 'core.autocrlf', value);
  put(root, 'f', 'a\r\nb\r\n');
  put(root, 'binary', 'a\r\nb\r\n');
  put(root, '.gitattributes', 'binary -text\n');
  git(root, 'add', '-A');
  git(root, 'commit', '-qm', 'x');
  if (value === 'true') {
    rmSync(join(root, 'f'));
    git(root, 'checkout', 'f');
  }
  expect((await expectTrue(root))['f']).toBe(`100644 ${blob('a\r\nb\r\n')}`);
});

test('LFS: the bytes on the disk count, pointer or content, and no filter is started', async () => {
  const root = repository({
    '.gitattributes': '*.bin filter=lfs diff=lfs merge=lfs -text\n',
    'model.bin': 'version x\n',
  });
  const started = join(root, 'started');
  for (const name of ['clean', 'smudge']) git(root, 'config', `filter.lfs.${name}`, `touch ${started}; cat`);
  git(root, 'config', 'filter.lfs.required', 'true');
  writeFileSync(join(root, 'model.bin'), 'the weights');
  await expectTrue(root);
  expect(await read(root, ['started'])).toEqual([]);
});

test('a repository of SHA-256', async () => {
  const root = temporary();
  git(root, 'init', '-q', '--object-format=sha256');
  for (const [path, content] of Object.entries(files)) put(root, path, content);
  git(root, 'add', '-A');
  git(root, 'commit', '-qm', 'x');
  rmSync(join(root, 'c'));
  expect(Object.keys(await expectTrue(root))).toHaveLength(4);
});

test('the environment of a git hook is not believed', async () => {
  const other = repository({ c: 'another' });
  const root = repository(files);
  process.env['GIT_DIR'] = join(other, '.git');
  process.env['GIT_INDEX_FILE'] = join(other, '.git/index');
  try {
    await expectTrue(root);
  } finally {
    delete process.env['GIT_DIR'];
    delete process.env['GIT_INDEX_FILE'];
  }
});

test('no program git, and a repository that is broken', async () => {
  const root = repository(files);
  const path = process.env['PATH'];
  process.env['PATH'] = '/nonexistent';
  try {
    await expectTrue(root);
  } finally {
    process.env['PATH'] = path;
  }
  writeFileSync(join(root, '.git/index'), 'garbage');
  await expectTrue(root);
});

test('the index and git’s own state stay as they are', async () => {
  const root = repository(files);
  writeFileSync(join(root, 'c'), 'c2');
  const state = (): string =>
    execFileSync('sh', ['-c', 'find .git -type f -newermt 2000-01-01 -printf "%p %T@ %s\\n" | sort'], {
      cwd: root,
      encoding: 'utf8',
    });
  const before = state();
  await expectTrue(root);
  expect(state()).toBe(before);
});

test('the second time, unchanged files are not read again; a changed one is', async () => {
  const root = temporary();
  put(root, 'f', 'one');
  const past = new Date(Date.now() - 60_000);
  mkdirSync(join(root, 'd'));
  for (let n = 0; n < 20; n++) put(root, `d/${n}`, `${n}`);
  utimesSync(join(root, 'f'), past, past);
  await expectTrue(root);
  appendFileSync(join(root, 'f'), '!');
  renameSync(join(root, 'd/1'), join(root, 'd/0'));
  await expectTrue(root);
  expect(await read(root, ['.imgbuild'])).toEqual([]);
});
