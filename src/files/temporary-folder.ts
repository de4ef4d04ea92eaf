import { createHash, randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdir, readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { isRunning, thisProcess } from '../process/identity.ts';
import { makeFolder } from './make-folder.ts';

export interface TemporaryFolder {
  path: string;
  remove(): Promise<void>;
}

/** A folder of another host or container is taken for abandoned after this long without a beat. */
const silenceOfForeigners = 60_000;
const beat = 15_000;

const open = new Set<string>();

function removeAll(): void {
  for (const folder of open) rmSync(folder, { recursive: true, force: true });
}

/** A pid says nothing in another container, after another boot, or once it is given anew: the name tells them apart. */
function placeHash(): string {
  return createHash('sha256').update(thisProcess().place).digest('hex').slice(0, 12);
}

/**
 * Makes a folder in `parent`, which is made too, whose name begins with `prefix` and which none but this user can read. It
 * is gone after `remove`, at the latest when the process ends. A killed process leaves its folder; the next one that makes
 * one with the same prefix there removes it.
 */
export async function makeTemporaryFolder(parent: string, prefix: string): Promise<TemporaryFolder> {
  await makeFolder(parent);
  await removeAbandoned(parent, prefix);
  const { pid, started } = thisProcess();
  const name = [prefix + placeHash(), pid, started ?? 0, randomBytes(6).toString('hex')].join('-');
  const path = join(parent, name);
  await mkdir(path, { mode: 0o700 });
  if (open.size === 0) process.on('exit', removeAll);
  open.add(path);
  const heart = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => {}), beat);
  heart.unref();
  return {
    path,
    async remove() {
      clearInterval(heart);
      await rm(path, { recursive: true, force: true });
      open.delete(path);
      if (open.size === 0) process.off('exit', removeAll);
    },
  };
}

/** Runs with a folder as of `makeTemporaryFolder` that is gone afterwards, whatever happened. */
export async function withTemporaryFolder<T>(parent: string, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await makeTemporaryFolder(parent, '.imgbuild-');
  try {
    return await work(folder.path);
  } finally {
    await folder.remove();
  }
}

async function removeAbandoned(parent: string, prefix: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!name.startsWith(prefix)) continue;
    const owner = /^([0-9a-f]{12})-([0-9]+)-([0-9]+)-[0-9a-f]{12}$/.exec(name.slice(prefix.length));
    if (owner === null) continue;
    const [, place, pid, started] = owner as unknown as [string, string, string, string];
    const path = join(parent, name);
    const abandoned =
      place === placeHash()
        ? !isRunning({ pid: Number(pid), started: started === '0' ? null : started })
        : await isSilent(path);
    // In a folder that users share, those of another user are his to remove.
    if (abandoned) await rm(path, { recursive: true, force: true }).catch(() => {});
  }
}

async function isSilent(path: string): Promise<boolean> {
  const info = await stat(path).catch(() => undefined);
  return info !== undefined && Date.now() - info.mtimeMs > silenceOfForeigners;
}
