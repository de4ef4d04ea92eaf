import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { threadFile } from '../thread-file.ts';
import type { Model } from './model.ts';
import type { NewFile } from './prepare-new.ts';

/** A thread that prepares one new file. */
export interface PreparingThread {
  /** The bytes must lie in shared memory; until it is done, they are the thread's. Throws what the thread has thrown. */
  prepare(file: NewFile): Promise<Model['unwind']>;
  /** Ends the thread, whatever it does. */
  close(): Promise<void>;
}

/** Takes 15 MiB beside what the work takes. `program`: what the thread runs. */
export function startPreparing(program = threadFile(import.meta.url, './prepare-thread.js')): PreparingThread {
  const thread = new Worker(program);
  const ended = new Promise<never>((_, reject) => {
    thread.on('error', reject);
    thread.on('exit', () => reject(new Error('a thread that prepares a program has ended')));
  });
  // It counts where somebody waits.
  ended.catch(() => {});
  return {
    async prepare(file) {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has none
      thread.postMessage(file);
      const [unwind] = (await Promise.race([once(thread, 'message'), ended])) as [Model['unwind']];
      // Its memory is free for what follows.
      await thread.terminate();
      return unwind;
    },
    async close() {
      await thread.terminate();
    },
  };
}
