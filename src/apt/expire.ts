import { readdir, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import type { SiteState } from './state.ts';

/** Milliseconds for which files stay that only readers of an older index ask for. */
export const grace = 3 * 24 * 60 * 60 * 1000;

/** What an interrupted write leaves behind. */
const partial = /^\..*\.partial$/;

/** Files below a folder of the site, relative to the site; none where there is no such folder. */
async function filesBelow(site: string, folder: string): Promise<string[]> {
  const entries = await readdir(join(site, folder), { recursive: true, withFileTypes: true }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    },
  );
  return entries.filter((entry) => entry.isFile()).map((entry) => relative(site, join(entry.parentPath, entry.name)));
}

/**
 * Removes what publications that were stopped left half-written in the site, and in the folder of assets where there is
 * one. Only for the holder of the site's lock.
 */
export async function sweep(site: string, assets: string | undefined): Promise<void> {
  const own = [...(await filesIn(site)), ...(await filesBelow(site, 'dists')).map((path) => join(site, path))];
  for (const path of [...own, ...(assets === undefined ? [] : await filesIn(assets))]) {
    if (partial.test(basename(path))) await rm(path, { force: true });
  }
}

async function filesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return names.map((name) => join(folder, name));
}

/**
 * Removes files of the pool and of a suite's by-hash folders that nothing in `referenced` has named for `grace`, and
 * says since when the others have been superseded. Paths are relative to the site.
 */
export async function expire(
  site: string,
  suite: string,
  referenced: ReadonlySet<string>,
  superseded: SiteState['superseded'],
  now: Date,
): Promise<SiteState['superseded']> {
  const own = `dists/${suite}/`;
  const inSuite = (await filesBelow(site, own)).filter((path) => path.includes('/by-hash/'));
  const candidates = [...inSuite, ...(await filesBelow(site, 'pool'))];
  const elsewhere = Object.entries(superseded).filter(([path]) => !path.startsWith(own) && !path.startsWith('pool/'));
  const left: [string, string][] = [];
  for (const path of candidates) {
    if (referenced.has(path)) continue;
    const since = superseded[path] ?? now.toISOString();
    if (now.getTime() - new Date(since).getTime() <= grace) {
      left.push([path, since]);
      continue;
    }
    await rm(join(site, path), { force: true });
    for (let folder = dirname(path); folder !== 'pool' && folder.includes('/'); folder = dirname(folder)) {
      if (
        await rmdir(join(site, folder)).then(
          () => false,
          () => true,
        )
      )
        break;
    }
  }
  return Object.fromEntries([...elsewhere, ...left]);
}
