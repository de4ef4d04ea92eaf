import { copyFile, link, mkdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { outputFailure } from '../deb/output-file.ts';
import { Failure } from '../failure.ts';
import { syncFolder, temporaryName } from '../files/durable-write.ts';
import type { Progress } from '../progress.ts';
import { hashFile, type ReadPackage } from './intake.ts';
import type { IndexedPackage } from './package.ts';
import { poolStamp, sourceStamp, type SiteState } from './state.ts';

/** How the files of the pool compare with what the index says of them. */
export interface PoolCheck {
  /** Stamps of those that are right, by path. */
  stamps: Record<string, string>;
  /** Paths of those that are missing or other ones, with the reason. */
  lost: Map<string, string>;
}

/**
 * Compares the pool with the index. A file of the right size whose stamp is the one that was noted when its bytes were
 * known is not read; any other is hashed, as are all where `verify` says so.
 */
export async function checkPool(
  site: string,
  packages: readonly IndexedPackage[],
  state: SiteState,
  options: { verify: boolean; progress: Progress; signal?: AbortSignal | undefined },
): Promise<PoolCheck> {
  const stamps: Record<string, string> = {};
  const lost = new Map<string, string>();
  const unsure: IndexedPackage[] = [];
  const byPath = new Map(packages.map((each) => [each.filename, each]));
  const look = async (each: IndexedPackage) => {
    const info = await stat(join(site, each.filename), { bigint: true }).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
      throw error;
    });
    if (info?.isFile() !== true) return void lost.set(each.filename, 'it is not there');
    if (info.size !== BigInt(each.size))
      return void lost.set(each.filename, `it has ${info.size} bytes, not ${each.size}`);
    const stamp = poolStamp(info);
    stamps[each.filename] = stamp;
    if (options.verify || state.pool[each.filename] !== stamp) unsure.push(each);
  };
  await inParallel([...byPath.values()], 16, look);
  if (unsure.length === 0) return { stamps, lost };
  const total = unsure.reduce((sum, { size }) => sum + size, 0);
  const transfer = options.progress.transfer(`checking ${unsure.length} published packages`, total);
  try {
    for (const { filename, sha256 } of unsure) {
      const found = await hashFile(join(site, filename), (count) => transfer.add(count), options.signal);
      if (found === sha256) continue;
      lost.set(filename, 'its bytes are others than the index says');
      delete stamps[filename];
    }
  } finally {
    transfer.end();
  }
  return { stamps, lost };
}

async function inParallel<T>(items: readonly T[], width: number, work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < items.length) await work(items[next++]!);
  };
  await Promise.all(Array.from({ length: width }, lane));
}

/** Moves a staged copy to its place in the pool. Returns its stamp. */
export async function placeInPool(site: string, filename: string, staged: string): Promise<string> {
  const path = join(site, filename);
  try {
    await mkdir(dirname(path), { recursive: true });
    await rename(staged, path);
    await syncFolder(dirname(path));
    return poolStamp(await stat(path, { bigint: true }));
  } catch (error) {
    throw outputFailure(path, error);
  }
}

/** Packages of this release that are not in the folder that is uploaded: an earlier run may have been stopped. */
export async function checkAssets(
  folder: string | undefined,
  inRelease: string | undefined,
  packages: readonly IndexedPackage[],
): Promise<PoolCheck> {
  const lost = new Map<string, string>();
  if (folder === undefined || inRelease === undefined) return { stamps: {}, lost };
  for (const { filename, size } of packages) {
    if (!filename.startsWith(inRelease)) continue;
    const info = await stat(join(folder, filename.slice(inRelease.length))).catch(() => undefined);
    if (info?.size !== size) lost.set(filename, 'it is not there');
  }
  return { stamps: {}, lost };
}

/** Puts a package under its name as a release asset into a folder, by a link where that is possible. */
export async function placeAsset(folder: string, name: string, read: ReadPackage): Promise<string> {
  const path = join(folder, name);
  try {
    await mkdir(folder, { recursive: true });
    // Hidden: what a killed run leaves here must not be uploaded.
    const temporary = join(folder, `.${name}.${basename(temporaryName(folder))}.partial`);
    try {
      await link(read.source.path, temporary).catch(() => copyFile(read.source.path, temporary));
      await rename(temporary, path);
    } finally {
      // Two names of one file: rename leaves both.
      await rm(temporary, { force: true });
    }
    await syncFolder(folder);
  } catch (error) {
    throw outputFailure(path, error);
  }
  // A link changes the time of change: what counts is that size and contents' time are as they were.
  const [size, modified] = read.source.stamp.split(' ');
  const [sizeNow, modifiedNow] = (await sourceStamp(read.source.path)).split(' ');
  if (size === sizeNow && modified === modifiedNow) return path;
  throw new Failure({
    doing: `reading ${read.source.name}`,
    because: 'it changed while it was published',
    fix: 'run it again when nothing writes to the file',
  });
}
