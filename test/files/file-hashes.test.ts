import { createHash, randomBytes } from 'node:crypto';
import { appendFileSync, lstatSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { FileHashes } from '../../src/files/file-hashes.ts';
import { silent } from '../../src/progress.ts';

const folder = mkdtempSync(join(tmpdir(), 'imgbuild-file-hashes-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string) => join(folder, name);
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

test.each([0, 1, 256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1, 3 * 1024 * 1024 + 5])(
  'the sum of a file of %i bytes is that of its bytes',
  async (size) => {
    const bytes = randomBytes(size);
    writeFileSync(file('x'), bytes);
    const hashes = new FileHashes(file('.hashes'));
    expect(await hashes.of(file('x'), 'x', silent)).toEqual({ size, sha256: sha256(bytes) });
  },
);

test('what is read, small or large, is what lies there, not what is remembered of another size', async () => {
  const hashes = new FileHashes(file('.hashes'));
  for (const name of ['small', 'large']) {
    writeFileSync(file(name), randomBytes(name === 'small' ? 100 : 1e6));
    await hashes.remember(file(name), 'a'.repeat(64));
    expect((await hashes.of(file(name), name, silent)).sha256).toBe('a'.repeat(64));
    const more = randomBytes(name === 'small' ? 50 : 1e6);
    writeFileSync(file(name), more);
    appendFileSync(file(name), 'more');
    expect((await hashes.of(file(name), name, silent)).sha256).toBe(sha256(Buffer.concat([more, Buffer.from('more')])));
  }
});

test('a link and a file that is not there are no files to read', async () => {
  const hashes = new FileHashes(file('.hashes'));
  writeFileSync(file('target'), 'x');
  symlinkSync('target', file('link'));
  await expect(hashes.of(file('link'), 'link', silent)).rejects.toThrow('reading link');
  await expect(hashes.of(file('none'), 'none', silent)).rejects.toThrow('reading none');
});

test('sums are kept for the next process, those of files that are gone are not', async () => {
  const hashes = new FileHashes(file('.kept'));
  for (const name of ['stays', 'goes']) {
    writeFileSync(file(name), name);
    await hashes.remember(file(name), sha256(Buffer.from(name)));
  }
  rmSync(file('goes'));
  await hashes.save();
  const next = new FileHashes(file('.kept'));
  expect(await next.known(file('stays'))).toEqual({ size: 5, sha256: sha256(Buffer.from('stays')) });
  writeFileSync(file('goes'), 'goes');
  expect(await next.known(file('goes'))).toBeUndefined();
  utimesSync(file('stays'), 1, 1);
  expect(await next.known(file('stays'))).toBeUndefined();
});

test('a sum that somebody else worked out is remembered where the file is older than the reading, and only there', async () => {
  const old = process.execPath;
  writeFileSync(file('young'), 'x');
  const hashes = new FileHashes(file('.learnt'));
  await hashes.begin();
  for (const path of [old, file('young')]) hashes.learn(path, lstatSync(path, { bigint: true }), 'b'.repeat(64));
  expect((await hashes.known(old))?.sha256).toBe('b'.repeat(64));
  expect(await hashes.known(file('young'))).toBeUndefined();
});

test('nothing is remembered that was read before anybody looked at the clock', async () => {
  const hashes = new FileHashes(file('.learnt'));
  hashes.learn(process.execPath, lstatSync(process.execPath, { bigint: true }), 'b'.repeat(64));
  expect(await hashes.known(process.execPath)).toBeUndefined();
});
