import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LayoutStore } from '../../src/store/layout.ts';
import { BrokenContent } from '../../src/oci/broken-content.ts';
import { blobOf, putImage } from './content.ts';

const execute = promisify(execFile);
let folder: string;
let store: LayoutStore;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imgbuild-layout-'));
  store = new LayoutStore(join(folder, 'store'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('the folder', () => {
  it('is made by the first write, and reading makes nothing', async () => {
    expect(await store.getManifest('a', 'b')).toBeUndefined();
    expect(await store.listTags('a')).toEqual([]);
    expect(await readdir(folder)).toEqual([]);
    await store.putBlob('a', blobOf('x'));
    expect(JSON.parse(await readFile(join(folder, 'store/oci-layout'), 'utf8'))).toEqual({
      imageLayoutVersion: '1.0.0',
    });
  });

  it('refuses a folder that holds something else', async () => {
    await writeFile(join(folder, 'thesis.txt'), 'x');
    await expect(new LayoutStore(folder).putBlob('a', blobOf('x'))).rejects.toThrow(/holds thesis.txt/);
  });

  it('is made by several at once, whenever each of them begins', async () => {
    for (let round = 0; round < 10; round += 1) {
      const path = join(folder, `store-${round}`);
      const writers = Array.from({ length: 40 }, async (_, number) => {
        for (let turn = 0; turn < number * 2; turn += 1) await new Promise(setImmediate);
        await new LayoutStore(path).putBlob('a', blobOf(`${number}`));
      });
      await Promise.all(writers);
      expect(await readdir(join(path, 'blobs/sha256'))).toHaveLength(writers.length);
    }
  });

  it('keeps .imgbuild out of git', async () => {
    await new LayoutStore(join(folder, '.imgbuild/store')).putBlob('a', blobOf('x'));
    expect(await readFile(join(folder, '.imgbuild/.gitignore'), 'utf8')).toBe('*\n');
  });

  it('keeps the entries of other tools', async () => {
    await store.putBlob('a', blobOf('x'));
    const foreign = {
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      digest: `sha256:${'0'.repeat(64)}`,
      size: 1,
      annotations: { theirs: 'yes' },
    };
    const path = join(folder, 'store/index.json');
    await writeFile(path, JSON.stringify({ schemaVersion: 2, manifests: [foreign] }));
    await putImage(store, 'a/b', 't', ['layer']);
    const { manifests } = JSON.parse(await readFile(path, 'utf8'));
    expect(manifests).toHaveLength(2);
    expect(manifests[0]).toEqual(foreign);
    expect(manifests[1].annotations).toEqual({ 'org.opencontainers.image.ref.name': 'a/b:t' });
  });

  it('never opens a file that it takes over for writing', async () => {
    const program = await readFile('/bin/sleep');
    const file = join(folder, 'program');
    await writeFile(file, program, { mode: 0o755 });
    // The system refuses to write to a program that runs, whoever asks.
    const running = spawn(file, ['60'], { stdio: 'ignore' });
    try {
      await once(running, 'spawn');
      const blob = blobOf(program);
      await store.putBlob('a', { ...blob, file, disposable: true });
      expect((await stat(store.blobPath(blob.digest))).nlink).toBe(2);
    } finally {
      running.kill();
    }
  });

  it('takes a disposable file over without copying, after checking it', async () => {
    const blob = blobOf('x'.repeat(100_000));
    const file = join(folder, 'blob');
    await writeFile(file, 'x'.repeat(100_000));
    await store.putBlob('a', { ...blob, file, disposable: true });
    expect((await stat(store.blobPath(blob.digest))).nlink).toBe(2);
    await writeFile(join(folder, 'other'), 'y'.repeat(100_000));
    const wrong = { ...blobOf('z'.repeat(100_000)), file: join(folder, 'other'), disposable: true as const };
    await expect(store.putBlob('a', wrong)).rejects.toThrow(BrokenContent);
    expect(await store.hasBlob('a', wrong.digest)).toBe(false);
    expect(await readdir(join(folder, 'store/.ingest'))).toEqual([]);
  });
});

it('a save that is stopped tells no fault of the disk', async () => {
  const slow = { ...blobOf('slow'), open: () => new Readable({ read() {} }) };
  const stop = new AbortController();
  const put = store.putBlob('a', slow, { signal: stop.signal });
  setTimeout(() => stop.abort(), 20);
  await expect(put).rejects.toMatchObject({ name: 'AbortError' });
  expect(await readdir(join(folder, 'store/.ingest'))).toEqual([]);
});

describe('what is damaged', () => {
  it('blob truncated: the failure names the file and what to do, and a new save mends it', async () => {
    const blob = blobOf('hello');
    await store.putBlob('a', blob);
    const path = store.blobPath(blob.digest);
    await truncate(path, 3);
    await expect(store.openBlob('a', blob)).rejects.toMatchObject({
      because: `${path} has 3 bytes instead of 5`,
      fix: expect.stringContaining('imgbuild store verify'),
    });
    expect(await store.putBlob('a', blob)).toEqual({ outcome: 'uploaded', bytes: 5 });
    expect((await buffer(await store.openBlob('a', blob))).toString()).toBe('hello');
  });

  it('flipped byte: the stream fails before its end', async () => {
    const blob = blobOf('hello');
    await store.putBlob('a', blob);
    await writeFile(store.blobPath(blob.digest), 'hellO');
    const read = buffer(await store.openBlob('a', blob));
    await expect(read).rejects.toThrow(/is damaged: its bytes are those of sha256:/);
  });

  it('tag pointing at garbage: broken, not missing', async () => {
    const { descriptor } = await putImage(store, 'a', 't', ['layer']);
    await writeFile(store.blobPath(descriptor.digest), 'garbage');
    await expect(store.getManifest('a', 't')).rejects.toThrow(BrokenContent);
    await rm(store.blobPath(descriptor.digest));
    await expect(store.headManifest('a', 't')).rejects.toThrow(/is missing/);
    await putImage(store, 'a', 't', ['layer']);
    expect((await store.getManifest('a', 't'))?.descriptor).toEqual(descriptor);
  });

  it('index.json that is no JSON', async () => {
    await putImage(store, 'a', 't', ['layer']);
    await writeFile(join(folder, 'store/index.json'), '{"schemaVersion":2,"mani');
    await expect(store.listTags('a')).rejects.toThrow(BrokenContent);
  });

  it('sweep does nothing while something that is in use cannot be read', async () => {
    const { descriptor } = await putImage(store, 'a', 't', ['layer']);
    await writeFile(store.blobPath(descriptor.digest), 'garbage');
    await expect(store.sweep(new Date(Date.now() + 1000))).rejects.toThrow(/layer|missing|verify|bytes/);
    expect(await store.hasBlob('a', blobOf('layer').digest)).toBe(true);
  });
});

it('sweep takes what no tag reaches and is old enough, and nothing else', async () => {
  await putImage(store, 'a', 'keep', ['shared', 'kept']);
  await putImage(store, 'a', 'drop', ['shared', 'dropped']);
  await store.removeTag('a', 'drop');
  await store.removeTag('a', 'never-was');
  expect(await store.sweep(new Date(Date.now() - 60_000))).toEqual({ bytes: 0, blobs: 0 });
  const freed = await store.sweep(new Date(Date.now() + 1000));
  expect(freed.blobs).toBe(3);
  const left = await Promise.all(['shared', 'kept', 'dropped'].map((text) => store.hasBlob('a', blobOf(text).digest)));
  expect(left).toEqual([true, true, false]);
  expect(await store.listTags('a')).toEqual(['keep']);
});

it('several processes put tags at once: all are there, index.json is whole at every moment', async () => {
  const writer = join(import.meta.dirname, 'layout-writer.ts');
  const work = ['p', 'q', 'r'].map((name) => execute(process.execPath, [writer, store.path, name, '15']));
  let reads = 0;
  const all = Promise.all(work).then(() => 'done');
  const pause = () => new Promise((resolve) => setTimeout(resolve, 5, 'not yet'));
  while ((await Promise.race([all, pause()])) === 'not yet') {
    await new LayoutStore(store.path).listTags('p');
    reads += 1;
  }
  expect(reads).toBeGreaterThan(1);
  for (const name of ['p', 'q', 'r']) expect(await store.listTags(name)).toHaveLength(15);
});

it('a holder of the lock that was killed holds nothing', async () => {
  const writer = join(import.meta.dirname, 'layout-writer.ts');
  await store.putBlob('a', blobOf('x'));
  await expect(execute(process.execPath, [writer, store.path, 'die', '0'])).rejects.toMatchObject({
    signal: 'SIGKILL',
  });
  const started = Date.now();
  await putImage(store, 'a', 't', ['layer']);
  expect(Date.now() - started).toBeLessThan(5000);
});
