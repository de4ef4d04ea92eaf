import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import type { Hash } from 'node:crypto';

/** A piece of a file in a buffer. Pieces of a file follow each other; `ends`: the last one. */
export interface HashedPiece {
  start: number;
  end: number;
  ends: boolean;
}

/** Hashes what lies in buffers, and files; outside of the thread that reads and writes where there is much of it. */
export interface Hasher {
  /** md5 (hex) of each file that ends in the buffer. The buffer may be reused when it resolves. */
  md5(buffer: SharedArrayBuffer, pieces: readonly HashedPiece[]): Promise<string[]>;
  /** sha256 (hex) of a whole file. */
  sha256(path: string): Promise<string>;
  /** Ends the thread. */
  close(): Promise<void>;
}

/** Below this, a thread takes longer to start than the hashing. */
const worthAThread = 16 * 1024 * 1024;

/** `size`: bytes that will be hashed. */
export function startHasher(size: number): Hasher {
  return size < worthAThread ? hashHere() : hashInThread();
}

function hashHere(): Hasher {
  let md5: Hash | undefined;
  return {
    async md5(buffer, pieces) {
      return pieces.flatMap(({ start, end, ends }) => {
        md5 ??= createHash('md5');
        md5.update(new Uint8Array(buffer, start, end - start));
        if (!ends) return [];
        const hex = md5.digest('hex');
        md5 = undefined;
        return [hex];
      });
    },
    async sha256(path) {
      const hash = createHash('sha256');
      await using handle = await open(path, 'r');
      // One buffer for all of it: a stream makes a new one for every piece.
      const buffer = Buffer.allocUnsafeSlow(1024 * 1024);
      for (;;) {
        const { bytesRead } = await handle.read(buffer, 0, buffer.length, null);
        if (bytesRead === 0) return hash.digest('hex');
        hash.update(buffer.subarray(0, bytesRead));
      }
    },
    async close() {},
  };
}

type Job = { buffer: SharedArrayBuffer; pieces: readonly HashedPiece[] } | { path: string };

function hashInThread(): Hasher {
  const worker = new Worker(`(${thread.toString()})()`, { eval: true });
  // A packing that is waited for keeps the process alive, not its helper.
  const waiting: { resolve: (value: never) => void; reject: (error: unknown) => void }[] = [];
  let failed: unknown;
  worker.on('message', (answer: { value?: unknown; error?: Error }) => {
    const { resolve, reject } = waiting.shift()!;
    if (answer.error === undefined) resolve(answer.value as never);
    else reject(answer.error);
  });
  const fail = (error: unknown) => {
    failed = error;
    for (const { reject } of waiting.splice(0)) reject(error);
  };
  worker.on('error', fail);
  worker.on('exit', () => fail(new Error('the hashing thread has ended')));
  const ask = <T>(job: Job): Promise<T> =>
    new Promise((resolve, reject) => {
      if (failed !== undefined) {
        reject(failed);
        return;
      }
      waiting.push({ resolve: resolve as (value: never) => void, reject });
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has none
      worker.postMessage(job);
    });
  return {
    md5: (buffer, pieces) => ask({ buffer, pieces }),
    sha256: (path) => ask({ path }),
    async close() {
      await worker.terminate();
    },
  };
}

/** What the thread runs. Its text is all that gets there: it can use nothing from outside of itself. */
function thread(): void {
  const { parentPort } = process.getBuiltinModule('node:worker_threads');
  const { createHash: startHash } = process.getBuiltinModule('node:crypto');
  const { closeSync, openSync, readSync } = process.getBuiltinModule('node:fs');
  let md5: Hash | undefined;
  const md5Of = (shared: SharedArrayBuffer, pieces: readonly HashedPiece[]) => {
    const found: string[] = [];
    for (const { start, end, ends } of pieces) {
      md5 ??= startHash('md5');
      md5.update(new Uint8Array(shared, start, end - start));
      if (!ends) continue;
      found.push(md5.digest('hex'));
      md5 = undefined;
    }
    return found;
  };
  const sha256Of = (path: string) => {
    const hash = startHash('sha256');
    const into = Buffer.allocUnsafeSlow(512 * 1024);
    const file = openSync(path, 'r');
    try {
      for (;;) {
        const count = readSync(file, into, 0, into.length, null);
        if (count === 0) return hash.digest('hex');
        hash.update(into.subarray(0, count));
      }
    } finally {
      closeSync(file);
    }
  };
  parentPort!.on('message', (job: Job) => {
    let answer: { value?: unknown; error?: unknown };
    try {
      answer = { value: 'path' in job ? sha256Of(job.path) : md5Of(job.buffer, job.pieces) };
    } catch (error) {
      answer = { error };
    }
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has none
    parentPort!.postMessage(answer);
  });
}
