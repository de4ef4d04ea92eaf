import { randomBytes } from 'node:crypto';
import { link, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

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

/** Has everybody read a file and nobody but its owner write it, and its bytes survive a power cut. */
export async function syncReadable(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.chmod(0o644);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A name in a folder that no other process and no other call takes; it begins with the process's id. */
export function temporaryName(folder: string): string {
  return join(folder, `${process.pid}-${randomBytes(8).toString('hex')}`);
}

/** The file is open to be written and read. */
type Fill = (handle: FileHandle, temporary: string) => Promise<void>;

async function writeThrough(
  temporary: string,
  path: string,
  fill: Fill,
  publish: (temporary: string, path: string) => Promise<void>,
): Promise<void> {
  try {
    const handle = await open(temporary, 'wx+', 0o644);
    try {
      await fill(handle, temporary);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await publish(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw error;
  }
  await syncFolder(dirname(path));
}

/**
 * Puts a file under `path` whole or not at all: `fill` writes a temporary file in `ingest`, which is synced and renamed.
 * `ingest` and `path` must lie on one file system.
 */
export async function writeDurably(ingest: string, path: string, fill: Fill): Promise<void> {
  await writeThrough(temporaryName(ingest), path, fill, rename);
}

/** As writeDurably, with the temporary file beside `path`, hidden. */
export async function replaceFile(path: string, fill: Fill): Promise<void> {
  await writeThrough(hiddenBeside(path), path, fill, rename);
}

/** As replaceFile, but throws EEXIST where `path` is there already, even if it came meanwhile. */
export async function createFile(path: string, fill: Fill): Promise<void> {
  await writeThrough(hiddenBeside(path), path, fill, async (temporary) => {
    await link(temporary, path);
    await rm(temporary);
  });
}

function hiddenBeside(path: string): string {
  return join(dirname(path), `.${basename(path)}.${basename(temporaryName('.'))}.partial`);
}
