import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { BlobCache } from '../../src/fetch/blob-cache.ts';
import { isUnused, listCache, removeFromCache } from '../../src/fetch/clean-cache.ts';
import { silent } from '../../src/progress.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'imgbuild-clean-'));
});

const sum = (text: string) => createHash('sha256').update(text).digest('hex');
const obtain = (text: string) =>
  new BlobCache(folder).obtain({
    sha256: sum(text),
    source: 'a',
    name: text,
    progress: silent,
    fill: (partial) => writeFile(partial, text),
  });
const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000);
const age = (path: string, days: number) => utimesSync(path, daysAgo(days), daysAgo(days));
const unused = async () => (await listCache(folder)).filter((item) => isUnused(item, new Date()));

describe('cleaning the cache', () => {
  test('finds nothing where there is none', async () => {
    expect(await listCache(join(folder, 'none'))).toEqual([]);
  });

  test('takes what nobody used for long, and it is fetched again when it is wanted', async () => {
    const old = await obtain('old');
    const fresh = await obtain('fresh');
    age(old.file, 40);
    age(fresh.file, 20);
    expect((await unused()).map(({ path, size }) => [path, size])).toEqual([[old.file, 3]]);
    const removed = await removeFromCache(folder, await unused());
    expect(removed.map(({ path }) => path)).toEqual([old.file]);
    expect([existsSync(old.file), existsSync(fresh.file)]).toEqual([false, true]);
    expect(await obtain('old')).toMatchObject({ size: 3 });
  });

  test('keeps what is used, and its sum is not read anew for that', async () => {
    const { file } = await obtain('old');
    age(file, 40);
    const cache = new BlobCache(folder);
    expect(await cache.find(sum('old'))).toMatchObject({ size: 3 });
    expect(await unused()).toEqual([]);
    expect(statSync(file).mtime.getTime()).toBeLessThan(daysAgo(39).getTime());
    expect(await (await cache.hashes()).known(file)).toMatchObject({ sha256: sum('old') });
  });

  test('takes fetches that were given up, and what killed conversions left', async () => {
    for (const path of ['partial', 'work/123-abc']) mkdirSync(join(folder, path), { recursive: true });
    for (const path of [`partial/${sum('x')}`, `partial/${sum('x')}.json`, 'work/123-abc/net.bin']) {
      writeFileSync(join(folder, path), 'some bytes');
    }
    age(join(folder, 'partial', sum('x')), 31);
    age(join(folder, 'work/123-abc'), 31);
    expect((await unused()).map(({ kind, size }) => `${kind} ${size}`).toSorted()).toEqual(['partial 10', 'work 10']);
    await removeFromCache(folder, await unused());
    expect(await listCache(folder)).toEqual([]);
    expect(existsSync(join(folder, 'partial', `${sum('x')}.json`))).toBe(false);
  });

  test('leaves what has been used since it was listed', async () => {
    const { file } = await obtain('used');
    age(file, 40);
    const listed = await unused();
    await new BlobCache(folder).find(sum('used'));
    expect(await removeFromCache(folder, listed)).toEqual([]);
    expect(existsSync(file)).toBe(true);
  });

  test('leaves what another process fetches', async () => {
    const { file } = await obtain('busy');
    age(file, 40);
    const holder = spawn(
      process.execPath,
      [join(import.meta.dirname, 'holding-process.ts'), join(folder, 'locks', sum('busy'))],
      {
        stdio: ['pipe', 'pipe', 'inherit'],
      },
    );
    try {
      await once(holder.stdout, 'data');
      expect(await removeFromCache(folder, await unused())).toEqual([]);
      expect(existsSync(file)).toBe(true);
    } finally {
      holder.kill();
    }
  });
});
