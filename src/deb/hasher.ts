import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
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

/** Below this, a thread takes longer to start than the hashing. It takes 20 MiB, too. */
const worthAThread = 16 * 1024 * 1024;

/** `size`: bytes that will be hashed. `beside`: whether what they wait for is slow enough to hash them in its shade. */
export function startHasher(size: number, beside: 'fast' | 'slow' = 'fast'): Hasher {
  return size < worthAThread || beside === 'slow' ? hashHere() : hashInThread();
}

function hashHere(): Hasher {
  let md5: Hash | undefined;
  return {
    async md5(buffer, pieces) {
      // Who else takes the buffer begins first.
      await setImmediate();
      return pieces.flatMap(({ start, end, ends }) => {
        md5 ??= createHash('md5');
        md5.update(new Uint8Array(buffer, start, end - start));
        if (!ends) return [];
        const hex = md5.digest('hex');
        md5 = undefined;
        return [hex];
      });
    },
    sha256: sha256Of,
    async close() {},
  };
}

/** The sha256 (hex) of a file; one buffer is read while the other is hashed. Uses nothing from outside of itself. */
async function sha256Of(path: string): Promise<string> {
  const { createHash: startHash } = process.getBuiltinModule('node:crypto');
  const handle = await process.getBuiltinModule('node:fs/promises').open(path, 'r');
  try {
    const hash = startHash('sha256');
    const size = 512 * 1024;
    let [current, other] = [Buffer.allocUnsafeSlow(size), Buffer.allocUnsafeSlow(size)];
    let reading = handle.read(current, 0, size, null);
    for (;;) {
      const { bytesRead } = await reading;
      if (bytesRead === 0) return hash.digest('hex');
      reading = handle.read(other, 0, size, null);
      hash.update(current.subarray(0, bytesRead));
      [current, other] = [other, current];
    }
  } finally {
    await handle.close();
  }
}

/** `pieces`: three numbers for each, start, end, and 1 where it ends a file: tens of thousands of objects take longer. */
type Job = { buffer: SharedArrayBuffer; pieces: Int32Array } | { path: string };

function hashInThread(): Hasher {
  const worker = new Worker(`(${thread.toString()})(${sha256Of.toString()})`, { eval: true });
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
    md5: (buffer, pieces) =>
      ask({ buffer, pieces: Int32Array.from(pieces.flatMap(({ start, end, ends }) => [start, end, ends ? 1 : 0])) }),
    sha256: (path) => ask({ path }),
    async close() {
      await worker.terminate();
    },
  };
}

/** What the thread runs. Its text is all that gets there: it can use nothing from outside of itself. */
function thread(sumOf: (path: string) => Promise<string>): void {
  const { parentPort } = process.getBuiltinModule('node:worker_threads');
  const { createHash: startHash, hash } = process.getBuiltinModule('node:crypto');
  let md5: Hash | undefined;
  const md5Of = (shared: SharedArrayBuffer, pieces: Int32Array) => {
    const found: string[] = [];
    for (let at = 0; at < pieces.length; at += 3) {
      const bytes = new Uint8Array(shared, pieces[at]!, pieces[at + 1]! - pieces[at]!);
      const ends = pieces[at + 2] === 1;
      // At once where it lies whole in the buffer: most files are small.
      if (md5 === undefined && ends) {
        found.push(hash('md5', bytes));
        continue;
      }
      md5 ??= startHash('md5');
      md5.update(bytes);
      if (!ends) continue;
      found.push(md5.digest('hex'));
      md5 = undefined;
    }
    return found;
  };
  // One sum of a file comes after all of the pieces: answers keep their order.
  parentPort!.on('message', async (job: Job) => {
    let answer: { value?: unknown; error?: unknown };
    try {
      answer = { value: 'path' in job ? await sumOf(job.path) : md5Of(job.buffer, job.pieces) };
    } catch (error) {
      answer = { error };
    }
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has none
    parentPort!.postMessage(answer);
  });
}
