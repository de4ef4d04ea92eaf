import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startFilter } from '../../src/process/filter.ts';

/** What comes out when these chunks go in. */
async function through(program: string, args: string[], chunks: Buffer[]): Promise<Buffer> {
  const output: Buffer[] = [];
  const filter = startFilter(program, args, async (chunk) => void output.push(Buffer.from(chunk)));
  try {
    for (const chunk of chunks) {
      const reused = Buffer.from(chunk);
      await filter.write(reused);
      reused.fill(0);
    }
    await filter.end();
  } finally {
    filter.abort();
  }
  return Buffer.concat(output);
}

test('a filter gets the bytes and gives what it makes of them, whatever becomes of the chunks', async () => {
  const input = randomBytes(3_000_000);
  const chunks = [input.subarray(0, 1_500_000), input.subarray(1_500_000)];
  expect((await through('cat', [], chunks)).equals(input)).toBe(true);
  const packed = await through('gzip', ['-c'], chunks);
  expect(execFileSync('gzip', ['-dc'], { input: packed, maxBuffer: 1e9 }).equals(input)).toBe(true);
});

test('a filter appends to a descriptor by itself, and has written all of it at the end', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'imgbuild-filter-')), 'output');
  writeFileSync(file, 'before');
  const descriptor = openSync(file, 'a');
  const filter = startFilter('cat', [], descriptor);
  const input = randomBytes(3_000_000);
  await filter.write(input);
  await filter.end();
  closeSync(descriptor);
  expect(readFileSync(file).equals(Buffer.concat([Buffer.from('before'), input]))).toBe(true);
  const full = openSync('/dev/full', 'a');
  const failing = startFilter('cat', [], full, { ...process.env, LC_ALL: 'C' });
  await expect(failing.write(input).then(() => failing.end())).rejects.toMatchObject({
    because: expect.stringContaining('No space left on device'),
  });
  closeSync(full);
});

test('a program that is not there, fails, or is killed is a Failure', async () => {
  const chunk = [Buffer.alloc(300_000)];
  await expect(through('no-such-program', [], chunk)).rejects.toMatchObject({
    because: 'there is no such program on PATH',
  });
  await expect(through('sh', ['-c', 'echo broken >&2; exit 3'], chunk)).rejects.toMatchObject({
    because: 'exit code 3: broken',
  });
  await expect(through('sh', ['-c', 'cat >/dev/null; exit 4'], chunk)).rejects.toMatchObject({
    because: expect.stringContaining('exit code 4'),
  });
  await expect(through('sh', ['-c', 'kill -9 $$'], chunk)).rejects.toMatchObject({
    because: expect.stringContaining('ended by SIGKILL'),
  });
});

test('an error of the taker is what the writer hears, and the program is ended', async () => {
  const filter = startFilter('cat', [], async () => {
    throw new Error('no room');
  });
  const write = async () => {
    for (let count = 0; count < 100; count++) await filter.write(Buffer.alloc(1_000_000));
    await filter.end();
  };
  await expect(write()).rejects.toThrow('no room');
});

test('a slow taker slows the program down', async () => {
  let release = () => {};
  const gate = new Promise<void>((resolve) => (release = resolve));
  const filter = startFilter('cat', [], () => gate);
  let written = 0;
  const writing = (async () => {
    for (; written < 200; written++) await filter.write(Buffer.alloc(100_000));
    await filter.end();
  })();
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(written).toBeLessThan(50);
  release();
  await writing;
  expect(written).toBe(200);
});
