import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeFolder } from '../../src/files/make-folder.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'imgbuild-make-folder-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('makes what is not there and says which folder was the first', async () => {
  expect(await makeFolder(join(folder, 'a/b/c'))).toBe(join(folder, 'a'));
  expect(statSync(join(folder, 'a/b/c')).isDirectory()).toBe(true);
  expect(await makeFolder(join(folder, 'a/b/d'))).toBe(join(folder, 'a/b/d'));
  expect(await makeFolder(join(folder, 'a/b/d'))).toBeUndefined();
  expect(await makeFolder('/')).toBeUndefined();
  symlinkSync('a', join(folder, 'link'));
  expect(await makeFolder(join(folder, 'link'))).toBeUndefined();
});

test('of one path at the same time makes it once', async () => {
  const made = await Promise.all(Array.from({ length: 20 }, () => makeFolder(join(folder, 'a/b/c/d'))));
  expect(statSync(join(folder, 'a/b/c/d')).isDirectory()).toBe(true);
  expect(made).toContain(join(folder, 'a'));
});

test('says what is in the way', async () => {
  writeFileSync(join(folder, 'file'), '');
  symlinkSync('nowhere', join(folder, 'dangling'));
  await expect(makeFolder(join(folder, 'file'))).rejects.toMatchObject({ code: 'EEXIST' });
  await expect(makeFolder(join(folder, 'file/below/it'))).rejects.toMatchObject({ code: 'ENOTDIR' });
  await expect(makeFolder(join(folder, 'dangling'))).rejects.toMatchObject({ code: 'EEXIST' });
  await expect(makeFolder(join(folder, 'dangling/below'))).rejects.toMatchObject({ code: 'EEXIST' });
});

test('ends where a folder takes no other: /proc', async () => {
  await expect(makeFolder('/proc/imgbuild/below')).rejects.toMatchObject({ syscall: 'mkdir' });
});
