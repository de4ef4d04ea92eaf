/** What a thread runs that prepares one new file, while another one looks at the old file. */
import { parentPort } from 'node:worker_threads';
import { prepareNew, type NewFile } from './prepare-new.ts';

parentPort!.once('message', (file: NewFile) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has none
  parentPort!.postMessage(prepareNew(file));
});
