import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { BlobCache } from '../../src/fetch/blob-cache.ts';
import { cacheFolder } from '../../src/fetch/cache-folder.ts';
import { silent } from '../../src/progress.ts';
import { startFaultyServer, type FaultyServer } from './support/faulty-server.ts';

vi.setConfig({ testTimeout: 120_000 });

const content = randomBytes(2_000_000);
const sha256 = createHash('sha256').update(content).digest('hex');
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'imgbuild-cache-'));
});

const obtain = (source: string, fill: (partial: string, held: boolean) => Promise<unknown>) =>
  new BlobCache(folder).obtain({ sha256, source, name: 'yolo.bin', progress: silent, fill });
const write = (partial: string) => writeFile(partial, content);

describe('the cache', () => {
  test('has a file filled once, and for all who come later', async () => {
    const { file, size } = await obtain('a', write);
    expect(readFileSync(file).equals(content)).toBe(true);
    expect(size).toBe(content.length);
    expect(await obtain('a', () => expect.unreachable())).toMatchObject({ file, size });
  });

  test('asks another source of the same sum, and tells it that the bytes are here', async () => {
    await obtain('a', write);
    let told: boolean | undefined;
    await expect(
      obtain('b', async (_partial, held) => {
        told = held;
        throw new Error('other bytes');
      }),
    ).rejects.toThrow('other bytes');
    expect(told).toBe(true);
    // The new source has failed; the old one is as good as before.
    await obtain('a', () => expect.unreachable());
    await obtain('b', write);
    await obtain('b', () => expect.unreachable());
  });

  test('does not give out what was damaged since', async () => {
    const { file } = await obtain('a', write);
    writeFileSync(file, 'damaged');
    let filled = false;
    await obtain('a', async (partial) => {
      filled = true;
      await write(partial);
    });
    expect(filled).toBe(true);
    expect(readFileSync(file).equals(content)).toBe(true);
  });

  test('reads a file again whose times alone changed, and keeps it', async () => {
    const { file } = await obtain('a', write);
    utimesSync(file, 1, 1);
    await obtain('a', () => expect.unreachable());
  });

  test('keeps what came when filling fails, and nothing under the final name', async () => {
    await expect(
      obtain('a', async (partial) => {
        await writeFile(partial, content.subarray(0, 1000));
        throw new Error('cut');
      }),
    ).rejects.toThrow('cut');
    const cache = new BlobCache(folder);
    expect(existsSync(cache.pathOf(sha256))).toBe(false);
    expect(await cache.find(sha256)).toBeUndefined();
    await obtain('a', async (partial) => {
      expect(readFileSync(partial)).toHaveLength(1000);
      await write(partial);
    });
  });

  test('lies where the XDG base directory specification says', () => {
    expect(cacheFolder({ XDG_CACHE_HOME: '/c', HOME: '/h' }, '/r')).toBe('/c/imgbuild');
    expect(cacheFolder({ XDG_CACHE_HOME: 'c', HOME: '/h' }, '/r')).toBe('/h/.cache/imgbuild');
    expect(cacheFolder({}, '/r')).toBe('/r/.imgbuild/cache');
  });
});

describe('processes', () => {
  const program = resolve(import.meta.dirname, 'fetching-process.ts');
  let server: FaultyServer;
  beforeEach(async () => {
    server = await startFaultyServer(content);
  });
  afterEach(() => server.close());
  const start = () =>
    spawn(process.execPath, [program, server.url, sha256, folder], { stdio: ['ignore', 'pipe', 'pipe'] });
  const done = async (child: ReturnType<typeof start>) => {
    const [output, errors] = await Promise.all([text(child.stdout!), text(child.stderr!), once(child, 'close')]);
    return { output, errors };
  };

  test('two at once fetch a file once', async () => {
    server.fault = ({ number }) => (number === 0 ? { stall: 500_000 } : undefined);
    const first = start();
    const firstDone = done(first);
    await once(first.stderr!, 'data');
    const second = start();
    const waits = new Promise<void>((resolved) => {
      second.stderr!.on('data', (chunk: Buffer) => chunk.includes('waiting for process') && resolved());
    });
    const secondDone = done(second);
    await waits;
    // The first hangs with half of the file. When it is killed, the second goes on where it was.
    expect(server.requests).toHaveLength(1);
    first.kill('SIGKILL');
    await firstDone;
    const { output, errors } = await secondDone;
    expect(errors).toContain(`waiting for process ${first.pid}`);
    expect(readFileSync(output).equals(content)).toBe(true);
    expect(server.requests[1]).toMatchObject({ range: 'bytes=500000-' });
    expect(server.sent).toBe(content.length);
  });

  test('killed at random points leave nothing wrong under the final name, and what came is gone on with', async () => {
    // In small pieces, so that a kill meets every state.
    server.fault = ({ number }) => ({ cut: 100_000 + ((number * 37_777) % 100_000) });
    const cache = new BlobCache(folder);
    for (let round = 0; round < 12 && !existsSync(cache.pathOf(sha256)); round += 1) {
      const child = start();
      const ended = done(child);
      await Promise.race([once(child.stderr!, 'data'), ended]);
      await sleep(Math.random() * 15);
      child.kill('SIGKILL');
      await ended;
      const path = cache.pathOf(sha256);
      if (existsSync(path)) expect(readFileSync(path).equals(content)).toBe(true);
    }
    const { output } = await done(start());
    expect(readFileSync(output).equals(content)).toBe(true);
    expect(readdirSync(join(folder, 'partial'))).toEqual([]);
    // Each byte came about once: at most what was on its way at a kill came again.
    expect(server.sent).toBeLessThan(2 * content.length);
  }, 60_000);
});
