/** What a thread runs that prepares one new file, while another one looks at the old file. */
import { parentPort } from 'node:worker_threads';
import { prepareNew, type NewFile } from './prepare-new.ts';

// It stays until it is ended: where a thread ends by itself, its end may be heard before its answer.
parentPort!.on('message', (file: NewFile) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has none
  parentPort!.postMessage(prepareNew(file));
});
