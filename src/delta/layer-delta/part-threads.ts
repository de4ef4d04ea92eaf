import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { Failure } from '../../failure.ts';
import { mebibyte } from '../codec/format.ts';
import { threadFile } from '../codec/thread-file.ts';
import type { EncodedFilePart } from './encode-file-part.ts';
import type { FailedThere, FilePartAnswer, FilePartJob } from './part-thread.ts';

/** Threads that code file parts. */
export interface PartThreads {
  /**
   * Codes one, in a thread, as soon as one is free and there is memory for it; `put` gets its bytes in order, at the end.
   * As encodeFilePart. Throws what the thread has thrown, and the signal's reason once there is one.
   */
  code(job: FilePartJob, put: (bytes: Buffer) => void): Promise<EncodedFilePart | undefined>;
  /** Ends the threads, whatever they do. */
  close(): Promise<void>;
}

/** More have little left to do beside the zstd of each, and 20 to 40 MiB each. */
const threadsMost = 4;
/** What all that is coded at the same time may need: all of imgbuild is to stay below 1 GiB. */
const memoryAtOnce = 512 * mebibyte;

/** Whether threads have memory for it. It takes about what planElf needs, the files themselves, and what comes out. */
export function fitsThreads(old: { size: number }, text: { size: number }): boolean {
  return memoryOf(old.size, text.size) <= memoryAtOnce;
}

const memoryOf = (old: number, text: number) => 4 * old + 4 * text;

interface Waiting {
  job: FilePartJob;
  memory: number;
  put: (bytes: Buffer) => void;
  /** What came of it until now. */
  blocks: Buffer[];
  resolve(part: EncodedFilePart | undefined): void;
  reject(error: unknown): void;
}

/** None runs until one is needed. `most`: as many as the machine has cores, unless said otherwise. */
export function openPartThreads(signal: AbortSignal, most = availableParallelism()): PartThreads {
  const waiting: Waiting[] = [];
  const threads = new Set<Worker>();
  const free: Worker[] = [];
  const running = new Map<Worker, Waiting>();
  let used = 0;
  let ended: { because: unknown } | undefined;

  const end = (because: unknown) => {
    if (ended !== undefined) return;
    ended = { because };
    for (const { reject } of [...running.values(), ...waiting.splice(0)]) reject(because);
    running.clear();
  };
  const onAbort = () => end(signal.reason);
  signal.addEventListener('abort', onAbort);

  const start = (): Worker => {
    const thread = new Worker(threadFile(import.meta.url, './part-thread.js'));
    threads.add(thread);
    thread.on('message', (answer: FilePartAnswer) => {
      const work = running.get(thread);
      if (work === undefined) return;
      if (answer.kind === 'block') {
        work.blocks.push(Buffer.from(answer.bytes.buffer, answer.bytes.byteOffset, answer.bytes.length));
        return;
      }
      running.delete(thread);
      free.push(thread);
      used -= work.memory;
      try {
        if (answer.kind === 'failed') throw failedThere(answer.error);
        for (const block of work.blocks) work.put(block);
        work.resolve(answer.part);
        next();
      } catch (error) {
        work.reject(error);
        end(error);
      }
    });
    thread.on('error', end);
    thread.on('exit', () => end(new Error('a thread that codes files has ended')));
    return thread;
  };
  const next = () => {
    while (waiting.length > 0) {
      const { memory } = waiting[0]!;
      if (used > 0 && used + memory > memoryAtOnce) return;
      const thread = free.pop() ?? (threads.size < Math.min(most, threadsMost) ? start() : undefined);
      if (thread === undefined) return;
      const work = waiting.shift()!;
      running.set(thread, work);
      used += memory;
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has none
      thread.postMessage(work.job);
    }
  };
  return {
    code: (job, put) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) end(signal.reason);
        if (ended !== undefined) {
          reject(ended.because);
          return;
        }
        waiting.push({ job, memory: memoryOf(job.old.size, job.text.size), put, blocks: [], resolve, reject });
        next();
      }),
    async close() {
      signal.removeEventListener('abort', onAbort);
      end(new Error('the threads that code files were closed'));
      await Promise.all([...threads].map((thread) => thread.terminate()));
    },
  };
}

function failedThere(error: FailedThere): Error {
  if ('because' in error) {
    const { doing, because, fix, kind } = error;
    return new Failure({ doing, because, kind, ...(fix === undefined ? {} : { fix }) });
  }
  const { message, stack, code } = error;
  return Object.assign(new Error(message), { stack }, code === undefined ? {} : { code });
}
