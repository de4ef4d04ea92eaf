/** Holds the lock of the folder that it is given, says so, and is killed. */
import { withFolderLock } from '../../src/store/folder-lock.ts';

await withFolderLock(process.argv[2]!, async () => {
  process.stdout.write('held');
  await new Promise((resolve) => setTimeout(resolve, 60_000));
});
