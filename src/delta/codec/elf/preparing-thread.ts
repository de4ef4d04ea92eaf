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
  close(): void;
}

/** Takes 15 MiB beside what the work takes. */
export function startPreparing(): PreparingThread {
  const thread = new Worker(threadFile(import.meta.url, './prepare-thread.js'));
  return {
    async prepare(file) {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has none
      thread.postMessage(file);
      const [unwind] = (await once(thread, 'message')) as [Model['unwind']];
      return unwind;
    },
    close: () => void thread.terminate(),
  };
}
