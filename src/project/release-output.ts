import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeStateFolder } from '../context/state-folder.ts';
import { makeOutputFolder, outputFailure } from '../deb/output-file.ts';
import { replaceFile, syncFolder } from '../files/durable-write.ts';
import { makeTemporaryFolder } from '../files/temporary-folder.ts';

/** Where the files of a release go, and where they are until all of them are made. */
export interface ReleaseOutput {
  /** Absolute. */
  directory: string;
  /** Absolute. A killed run leaves it; the next release of the checkout removes it. */
  staging: string;
  /** Moves all that is in `staging` to `directory`, durably: all of it or nothing. */
  place(): Promise<void>;
  /** Takes away what `place` put where nothing was before. */
  withdraw(): Promise<void>;
  /** Removes `staging`, and what of `directory` was made for nothing. */
  close(): Promise<void>;
}

/**
 * Makes the folder, so that one that cannot be written to is known before anything is built. Throws a Failure then.
 * `directory`: absolute; else .imgbuild/release/VERSION.
 */
export async function openReleaseOutput(
  root: string,
  directory: string | undefined,
  version: string,
): Promise<ReleaseOutput> {
  const parent = await makeStateFolder(root, 'release');
  const to = directory ?? join(parent, version);
  const made = await makeOutputFolder(to);
  const staging = await makeTemporaryFolder(parent, '.making-');
  const placed: string[] = [];
  return {
    directory: to,
    staging: staging.path,
    async place() {
      placed.push(...(await moveAll(staging.path, to)));
    },
    withdraw: () => removeFiles(to, placed),
    async close() {
      await staging.remove();
      if (made !== undefined) await removeEmpty(to, made);
    },
  };
}

/**
 * By rename, one file at a time, release.json last: whoever sees it sees the others. Returns the names that nothing had
 * before.
 */
async function moveAll(from: string, to: string): Promise<string[]> {
  const names = (await readdir(from)).toSorted((a, b) => Number(a === 'release.json') - Number(b === 'release.json'));
  const fresh: string[] = [];
  for (const name of names) {
    try {
      const before = await lstat(join(to, name)).catch(() => undefined);
      await moveFile(join(from, name), join(to, name));
      if (before === undefined) fresh.push(name);
    } catch (error) {
      await removeFiles(to, fresh);
      throw outputFailure(join(to, name), error);
    }
  }
  await syncFolder(to);
  return fresh;
}

async function moveFile(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    // Another file system: copied beside its place first, so that it gets its name whole.
    await replaceFile(to, async (handle) => {
      for await (const chunk of createReadStream(from)) await handle.writeFile(chunk as Buffer);
    });
    await rm(from);
  }
}

async function removeFiles(folder: string, names: readonly string[]): Promise<void> {
  for (const name of names) await rm(join(folder, name), { force: true }).catch(() => {});
}

/** From the folder up to `first`, while they are empty. */
async function removeEmpty(folder: string, first: string): Promise<void> {
  try {
    for (let each = folder; each.length >= first.length; each = dirname(each)) await rmdir(each);
  } catch {
    // What holds something stays.
  }
}

/** Whether a file of the release is in the folder with the bytes that release.json records. */
export async function isRecordedFile(
  folder: string,
  { file, size, sha256 }: { file: string; size: number; sha256: string },
): Promise<boolean> {
  const path = join(folder, file);
  const stats = await lstat(path).catch(() => undefined);
  if (stats === undefined || !stats.isFile() || stats.size !== size) return false;
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 256 * 1024 })) hash.update(chunk as Buffer);
  return hash.digest('hex') === sha256;
}
