import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Failure } from '../../../src/failure.ts';
import { encodeFilePart } from '../../../src/delta/layer-delta/encode-file-part.ts';
import type { FilePartJob } from '../../../src/delta/layer-delta/part-thread.ts';
import { openPartThreads, type PartThreads } from '../../../src/delta/layer-delta/part-threads.ts';
import { makeElf, sampleProgram } from '../codec/elf-file.ts';
import { inMemory } from '../codec/files.ts';

let folder: string;
let stop: AbortController;
let threads: PartThreads | undefined;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'imgbuild-threads-'));
  stop = new AbortController();
});
afterEach(async () => {
  await threads?.close();
  rmSync(folder, { recursive: true, force: true });
});

const common = { position: 7, level: 9, lengths: { ranges: 1, oldMembers: 0, newMembers: 0 } };
const programs = [300, 700, 1500, 400].map((count) => {
  const made = sampleProgram('x86-64', count);
  const fewer = { ...made, functions: made.functions.filter((_, at) => at === 0 || at % 50 > 0) };
  const known = new Set(fewer.functions.map(({ name }) => name));
  const functions = fewer.functions.map((each) => ({
    ...each,
    body: each.body.filter((part) => !('call' in part) || known.has(part.call)),
  }));
  return { old: makeElf(made), text: makeElf({ ...made, functions }) };
});

/** Both files of each pair in one on disk, after other bytes. */
function jobs(): FilePartJob[] {
  return programs.map(({ old, text }, at) => {
    const file = path.join(folder, String(at));
    writeFileSync(file, Buffer.concat([Buffer.from('before'), old, text]));
    const slice = (start: number, size: number) => ({ path: file, start: 6 + start, size });
    return { ...common, old: slice(0, old.length), text: slice(old.length, text.length) };
  });
}

async function codedIn(count: number): Promise<Buffer[]> {
  threads = openPartThreads(stop.signal, count);
  const coded = await Promise.all(
    jobs().map(async (job) => {
      const blocks: Buffer[] = [];
      const part = await threads!.code(job, (bytes) => void blocks.push(bytes));
      expect(part?.tables?.copies).toBeGreaterThan(0);
      return Buffer.concat(blocks);
    }),
  );
  await threads.close();
  return coded;
}

test.each([1, 2, 3])('%d threads make the bytes that none make', async (count) => {
  const here = await Promise.all(
    programs.map(async ({ old, text }) => {
      const blocks: Buffer[] = [];
      const { position, level, lengths } = common;
      const work = { old: { file: inMemory(old), position }, text: inMemory(text), level, lengths, onBytes() {} };
      await encodeFilePart(work, (bytes) => void blocks.push(bytes));
      return Buffer.concat(blocks);
    }),
  );
  const there = await codedIn(count);
  expect(there.map((bytes) => bytes.length)).toEqual(here.map((bytes) => bytes.length));
  for (const [at, bytes] of there.entries()) expect(bytes.equals(here[at]!)).toBe(true);
});

test('a failure in a thread stays one, and ends all that waits', async () => {
  threads = openPartThreads(stop.signal, 1);
  const [first, ...others] = jobs();
  const short = { ...first!, text: { ...first!.text, size: first!.text.size + 1000 } };
  const outcomes = await Promise.allSettled([short, ...others].map((job) => threads!.code(job, () => {})));
  for (const outcome of outcomes) {
    expect(outcome.status).toBe('rejected');
    const { reason } = outcome as PromiseRejectedResult;
    expect(reason).toBeInstanceOf(Failure);
    expect(reason).toMatchObject({ doing: 'reading a temporary file', kind: 'operation' });
    expect((reason as Failure).fix).toMatch(/temporary folder/);
  }
});

test('what the system refuses a thread keeps its code', async () => {
  threads = openPartThreads(stop.signal, 1);
  const [job] = jobs();
  const gone = { ...job!, old: { ...job!.old, path: path.join(folder, 'gone') } };
  await expect(threads.code(gone, () => {})).rejects.toMatchObject({ code: 'ENOENT' });
});

test('a disk that is full where the bytes go ends the work', async () => {
  threads = openPartThreads(stop.signal, 2);
  const full = () => {
    throw Object.assign(new Error('full'), { code: 'ENOSPC' });
  };
  const outcomes = await Promise.allSettled(jobs().map((job) => threads!.code(job, full)));
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected', 'rejected']);
  await expect(threads.code(jobs()[0]!, () => {})).rejects.toMatchObject({ code: 'ENOSPC' });
});

test('an interrupt ends what runs and what waits, at once, with its reason', async () => {
  threads = openPartThreads(stop.signal, 1);
  const outcomes = Promise.allSettled(jobs().map((job) => threads!.code(job, () => {})));
  stop.abort(new Error('stopped'));
  for (const outcome of await outcomes) expect(outcome).toMatchObject({ reason: { message: 'stopped' } });
  await threads.close();
  await expect(threads.code(jobs()[0]!, () => {})).rejects.toThrow('stopped');
});
