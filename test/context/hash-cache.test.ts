import { readFileSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { HashCache } from '../../src/context/hash-cache.ts';
import { put, temporary } from './fixture.ts';

const hash = 'c'.repeat(40);

/** A cache that knows `f`, whose times lie a minute back. */
async function filled(): Promise<{ root: string; file: string; stats: () => ReturnType<typeof stat> }> {
  const root = temporary();
  put(root, 'f', 'content');
  // ctime can't be set: wait until the file is no longer as young as its hashing.
  await setTimeout(2100);
  const cache = await HashCache.open(root);
  await cache.begin();
  cache.put('f', stat(join(root, 'f')), hash);
  cache.put('name with spaces\nand a line', stat(join(root, 'f')), hash);
  await cache.save();
  return { root, file: join(root, '.imgbuild/cache/hashes'), stats: () => stat(join(root, 'f')) };
}

const stat = (path: string) => statSync(path, { bigint: true });

test('what is unchanged is known the next time; any change is not', { timeout: 20_000 }, async () => {
  const { root, stats } = await filled();
  const known = stats();
  expect((await HashCache.open(root)).get('f', known)).toBe(hash);
  expect((await HashCache.open(root)).get('name with spaces\nand a line', known)).toBe(hash);
  expect((await HashCache.open(root)).get('g', known)).toBeUndefined();
  for (const [field, value] of Object.entries({
    size: 8n,
    mtimeNs: known.mtimeNs + 1n,
    ctimeNs: known.ctimeNs + 1n,
    ino: known.ino + 1n,
  })) {
    const other = Object.assign(Object.create(Object.getPrototypeOf(known) as object), known, {
      [field]: value,
    }) as typeof known;
    expect((await HashCache.open(root)).get('f', other)).toBeUndefined();
  }
  // Same size and mtime, by someone who sets the time back: ctime tells.
  writeFileSync(join(root, 'f'), 'CONTENT');
  utimesSync(join(root, 'f'), Number(known.atimeMs) / 1000, Number(known.mtimeMs) / 1000);
  expect((await HashCache.open(root)).get('f', stats())).toBeUndefined();
});

test('a file as young as its hashing is not remembered', async () => {
  const root = temporary();
  put(root, 'f', 'content');
  const cache = await HashCache.open(root);
  await cache.begin();
  cache.put('f', stat(join(root, 'f')), hash);
  await cache.save();
  expect((await HashCache.open(root)).get('f', stat(join(root, 'f')))).toBeUndefined();
});

test('a damaged or foreign file counts as empty', { timeout: 20_000 }, async () => {
  const { root, file, stats } = await filled();
  const good = readFileSync(file);
  const flipped = Buffer.from(good);
  flipped[30]! ^= 1;
  for (const bytes of [
    good.subarray(0, good.length - 1),
    flipped,
    Buffer.alloc(0),
    Buffer.from('x'),
    Buffer.concat([good, good]),
  ]) {
    writeFileSync(file, bytes);
    expect((await HashCache.open(root)).get('f', stats())).toBeUndefined();
  }
  writeFileSync(file, good);
  expect((await HashCache.open(root)).get('f', stats())).toBe(hash);
  expect(readdirSync(join(root, '.imgbuild/cache'))).toEqual(['hashes']);
});
