/** Run as a process of its own: holds the lock of a site until it is killed, and says when it has it. */
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { withFolderLock } from '../../../src/store/folder-lock.ts';

await withFolderLock(join(process.argv[2]!, '.imgbuild/lock'), async () => {
  writeSync(1, 'held\n');
  await sleep(10 * 60 * 1000);
});
