import { randomBytes } from 'node:crypto';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Failure } from '../failure.ts';

/** Makes the names in a folder survive a power cut. Not every file system can; those that refuse have no such promise. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'EINVAL' && code !== 'ENOTSUP') throw error;
  } finally {
    await handle.close();
  }
}

export function temporaryName(folder: string): string {
  return join(folder, `${process.pid}-${randomBytes(8).toString('hex')}`);
}

/**
 * Puts a file under `path` whole or not at all: `fill` writes a temporary file in `ingest`, which is synced and renamed.
 * `ingest` and `path` must lie on one file system.
 */
export async function writeDurably(
  ingest: string,
  path: string,
  fill: (handle: FileHandle, temporary: string) => Promise<void>,
): Promise<void> {
  const temporary = temporaryName(ingest);
  try {
    const handle = await open(temporary, 'wx', 0o644);
    try {
      await fill(handle, temporary);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw error;
  }
  await syncFolder(dirname(path));
}

/** The Failure for an error of the file system; anything else is returned as it came. */
export function fileFailure(doing: string, error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (error instanceof Failure || typeof code !== 'string') return error;
  const known: Record<string, [string, string]> = {
    ENOSPC: [
      'the disk is full',
      'free some space (`imgbuild store gc` lists what no release needs), then run it again',
    ],
    EDQUOT: ['the disk quota is used up', 'free some space (`imgbuild store gc` lists what no release needs)'],
    EACCES: ['no right to do so', 'give this user the right to write there, or name another folder as `store:`'],
    EPERM: ['no right to do so', 'give this user the right to write there, or name another folder as `store:`'],
    EROFS: ['the file system is read-only', 'name a folder on another file system as `store:`'],
    EIO: ['the disk reports an error', 'check the disk; `imgbuild store verify` tells which blobs are damaged'],
  };
  const [because, fix] = known[code] ?? [message, 'see the cause above, then run it again'];
  return new Failure({ doing, because, fix, cause: error });
}
