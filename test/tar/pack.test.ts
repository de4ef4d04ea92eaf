import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { TarHeader } from '../../src/tar/header.ts';
import { archiveSize, writeArchive, type TarContents, type TarEntry } from '../../src/tar/pack.ts';

const header = (name: string, size: number): TarHeader => ({
  name,
  type: 'file',
  mode: 0o644,
  uid: 0,
  gid: 0,
  size,
  mtime: 1,
  linkName: '',
  userName: 'root',
  groupName: 'root',
  deviceMajor: 0,
  deviceMinor: 0,
});

/** Contents that come in pieces of at most `piece` bytes. */
function contents(bytes: Buffer, piece = Infinity, log: string[] = []): TarContents {
  let at = 0;
  return {
    async read(into) {
      if (at === bytes.length) throw new Error('no more');
      const count = bytes.copy(into, 0, at, Math.min(bytes.length, at + piece));
      at += count;
      return count;
    },
    async finish() {
      log.push('finish');
    },
    async close() {
      log.push('close');
    },
  };
}

/** The same without waiting. */
function contentsAtOnce(bytes: Buffer, piece: number): TarContents {
  let at = 0;
  return {
    read(into) {
      const count = bytes.copy(into, 0, at, Math.min(bytes.length, at + piece));
      at += count;
      return count;
    },
    finish() {},
    close() {},
  };
}

async function packed(entries: TarEntry[], bufferSize?: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const sink = {
    async write(chunk: Uint8Array) {
      // A sink that is slow must still see its own bytes.
      await new Promise((resolve) => setImmediate(resolve));
      chunks.push(Buffer.from(chunk));
    },
  };
  await writeArchive(entries, sink, bufferSize === undefined ? {} : { bufferSize });
  return Buffer.concat(chunks);
}

test('GNU tar unpacks what was written, whatever the sizes of files, pieces and buffers', async () => {
  const file = fc.record({ size: fc.integer({ min: 0, max: 3000 }), long: fc.boolean(), waits: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(
      fc.array(file, { maxLength: 6 }),
      fc.integer({ min: 1, max: 2000 }),
      fc.integer({ min: 1, max: 1500 }),
      async (files, piece, bufferSize) => {
        const folder = mkdtempSync(join(tmpdir(), 'imgbuild-pack-'));
        const named = files.map(({ size, long, waits }, index) => ({
          waits,
          name: `${index}${long ? 'n'.repeat(150) : ''}`,
          bytes: Buffer.alloc(size, `${index}abc`),
        }));
        const entries = named.map(({ name, bytes, waits }) => ({
          header: header(name, bytes.length),
          open: waits ? async () => contents(bytes, piece) : () => contentsAtOnce(bytes, piece),
        }));
        const archive = await packed(entries, bufferSize);
        expect(archive.length).toBe(archiveSize(entries.map((entry) => entry.header)));
        writeFileSync(join(folder, 'a.tar'), archive);
        execFileSync('tar', ['-xf', 'a.tar'], { cwd: folder });
        for (const { name, bytes } of named) expect(readFileSync(join(folder, name)).equals(bytes)).toBe(true);
        execFileSync('rm', ['-r', folder]);
      },
    ),
    { numRuns: 25 },
  );
});

test('contents are finished and closed, closed alone when they fail', async () => {
  const log: string[] = [];
  await packed([{ header: header('a', 3), open: async () => contents(Buffer.from('abc'), 1, log) }]);
  expect(log).toEqual(['finish', 'close']);
  const failed: string[] = [];
  const short = { header: header('a', 4), open: async () => contents(Buffer.from('abc'), 1, failed) };
  await expect(packed([short])).rejects.toThrow('no more');
  expect(failed).toEqual(['close']);
});

test('what the sink throws ends the archive, and nothing is left unheard', async () => {
  const sink = {
    write: async () => {
      throw new Error('full');
    },
  };
  const entries = [{ header: header('a', 5000), open: async () => contents(Buffer.alloc(5000)) }];
  await expect(writeArchive(entries, sink, { bufferSize: 512 })).rejects.toThrow('full');
  await expect(writeArchive(entries, sink)).rejects.toThrow('full');
});

test('what fails at once closes the contents, too', async () => {
  const log: string[] = [];
  const failing: TarContents = {
    read() {
      throw new Error('unreadable');
    },
    finish: () => void log.push('finish'),
    close: () => void log.push('close'),
  };
  const sink = { write: async () => {} };
  await expect(writeArchive([{ header: header('a', 3), open: () => failing }], sink)).rejects.toThrow('unreadable');
  expect(log).toEqual(['close']);
});

test('a cancel ends it between pieces', async () => {
  const controller = new AbortController();
  const endless: TarContents = {
    async read(into) {
      controller.abort(new Error('stopped'));
      return into.length;
    },
    async finish() {},
    async close() {},
  };
  const entries = [{ header: header('a', 10 ** 9), open: async () => endless }];
  const sink = { write: async () => {} };
  await expect(writeArchive(entries, sink, { signal: controller.signal })).rejects.toThrow('stopped');
});
