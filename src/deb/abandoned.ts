import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isRunning } from '../process/identity.ts';

/** Milliseconds: whoever writes a package does so more often, on whatever machine or in whatever container. */
const silence = 10 * 60_000;

/** Removes what killed runs left in a folder of packages: nobody else would, and each has the size of a package. */
export async function removeAbandoned(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const pid = /^\..+\.deb\.([0-9]+)-[0-9a-f]+\.partial$/.exec(name)?.[1];
    if (pid === undefined || isRunning({ pid: Number(pid), started: null })) continue;
    const path = join(directory, name);
    const info = await lstat(path).catch(() => undefined);
    if (info === undefined || Date.now() - info.mtimeMs < silence) continue;
    // In a folder that users share, those of another user are his to remove.
    await rm(path, { force: true }).catch(() => {});
  }
}
