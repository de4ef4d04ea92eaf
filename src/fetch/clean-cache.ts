import { lstat, readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Failure } from '../failure.ts';
import { withFolderLock } from '../store/folder-lock.ts';

/** Something of the cache that takes room. */
export interface CacheItem {
  /** `file`: whole, by its sum; `partial`: begun and not finished; `work`: what a conversion left that was killed. */
  kind: 'file' | 'partial' | 'work';
  /** Absolute. */
  path: string;
  /** In bytes. */
  size: number;
  usedAt: Date;
}

/** Days after which nobody is expected to ask for a file again. */
export const unusedAfter = 30;

/** What the cache holds, the longest unused first. A folder that is not there holds nothing. */
export async function listCache(folder: string): Promise<CacheItem[]> {
  const items: CacheItem[] = [];
  for (const name of await namesIn(join(folder, 'blobs/sha256'))) {
    items.push(...(await itemAt('file', join(folder, 'blobs/sha256', name))));
  }
  for (const name of await namesIn(join(folder, 'partial'))) {
    if (!name.endsWith('.json')) items.push(...(await itemAt('partial', join(folder, 'partial', name))));
  }
  for (const name of await namesIn(join(folder, 'work'))) {
    items.push(...(await itemAt('work', join(folder, 'work', name))));
  }
  return items.toSorted((a, b) => a.usedAt.getTime() - b.usedAt.getTime());
}

export function isUnused({ usedAt }: CacheItem, now: Date): boolean {
  return now.getTime() - usedAt.getTime() > unusedAfter * 86_400_000;
}

/** Removes the items but those that a process is fetching; returns what was removed. */
export async function removeFromCache(
  folder: string,
  items: readonly CacheItem[],
  signal?: AbortSignal,
): Promise<CacheItem[]> {
  const removed: CacheItem[] = [];
  for (const item of items) {
    signal?.throwIfAborted();
    const remove = async () => {
      // Somebody may have begun to use it since it was listed.
      const [now] = await itemAt(item.kind, item.path);
      if (now === undefined || now.usedAt > item.usedAt) return;
      await rm(item.path, { recursive: true, force: true });
      if (item.kind === 'partial') await rm(`${item.path}.json`, { force: true });
      removed.push(item);
    };
    if (item.kind === 'work') {
      await remove();
      continue;
    }
    try {
      await withFolderLock(join(folder, 'locks', basename(item.path)), remove, { patience: 100, signal });
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof Failure)) throw error;
    }
  }
  return removed;
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new Failure({ doing: `reading ${folder}`, because: error.message, fix: 'see that it can be read' });
  });
}

/** None where it has gone meanwhile. */
async function itemAt(kind: CacheItem['kind'], path: string): Promise<CacheItem[]> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats === undefined) return [];
  // The cache sets the access time itself where a file system keeps none.
  const used = kind === 'file' ? Math.max(stats.atimeMs, stats.mtimeMs) : stats.mtimeMs;
  return [{ kind, path, size: kind === 'work' ? await sizeBelow(path) : stats.size, usedAt: new Date(used) }];
}

async function sizeBelow(folder: string): Promise<number> {
  let size = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])) {
    const stats = await lstat(join(entry.parentPath, entry.name)).catch(() => undefined);
    // A second name of a file of the cache takes no room.
    if (stats?.isFile() && stats.nlink === 1) size += stats.size;
  }
  return size;
}
