import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeStateFolder } from './state-folder.ts';

const open = new Set<string>();
const abandonedAfter = 24 * 3600 * 1000;

function removeAll(): void {
  for (const folder of open) rmSync(folder, { recursive: true, force: true });
}

/** Folders of processes that were killed: their process is gone, and they are a day old. */
async function removeAbandoned(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const pid = /^context-(\d+)-/.exec(name)?.[1];
    if (pid === undefined) continue;
    try {
      process.kill(Number(pid), 0);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') continue;
      const path = join(parent, name);
      const info = await stat(path).catch(() => undefined);
      if (info && Date.now() - info.mtimeMs > abandonedAfter) await rm(path, { recursive: true, force: true });
    }
  }
}

/**
 * A new folder in `.imgbuild/tmp`, on the tree's own file system, so that copies can share its blocks; in the system's
 * temporary folder where that can't be written. It is removed by `remove`, at the latest when the process ends.
 */
export async function temporaryFolder(root: string): Promise<{ path: string; remove(): Promise<void> }> {
  let path: string;
  try {
    const parent = await makeStateFolder(root, 'tmp');
    await removeAbandoned(parent);
    path = join(parent, `context-${process.pid}-${randomBytes(6).toString('hex')}`);
    await mkdir(path, { mode: 0o700 });
  } catch {
    path = await mkdtemp(join(tmpdir(), 'imgbuild-context-'));
  }
  if (open.size === 0) process.on('exit', removeAll);
  open.add(path);
  return {
    path,
    async remove() {
      await rm(path, { recursive: true, force: true });
      open.delete(path);
      if (open.size === 0) process.off('exit', removeAll);
    },
  };
}
