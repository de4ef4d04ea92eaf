import { lstat, readdir } from 'node:fs/promises';
import { posix } from 'node:path';
import { editDistance } from '../config/did-you-mean.ts';
import type { Failure } from '../failure.ts';
import { expandGlob, ownState } from '../files/glob.ts';
import { nearestFile } from '../files/nearest.ts';
import { missingOrThrow, unreadable } from '../files/unreadable.ts';
import type { Placement } from './placement.ts';
import type { Trouble } from './draft.ts';

/** A folder of which every file is in exactly one package, or ignored. Paths are relative to the repository's root. */
export interface SourceTree {
  path: string;
  /** Folders in it that are not of it: debian/ itself. */
  without: readonly string[];
  ignore: readonly { pattern: string; trouble: Trouble; mustMatch: boolean }[];
  trouble: Trouble;
}

/** What a package takes of the repository. */
export interface Taker {
  name: string;
  placements: readonly Placement[];
  taken: ReadonlyMap<string, Placement>;
}

/** Of one tree so many violations are told one by one. */
const toldMax = 20;

/** Says which files of the trees are in no package, in two, and which patterns of `ignore:` match nothing. */
export async function incompleteTrees(
  root: string,
  trees: readonly SourceTree[],
  takers: readonly Taker[],
): Promise<Failure[]> {
  const failures: Failure[] = [];
  if (trees.length === 0) return failures;
  const owners = new Map<string, Taker[]>();
  for (const taker of takers) {
    for (const path of taker.taken.keys()) owners.set(path, [...(owners.get(path) ?? []), taker]);
  }
  const ignored = new Set<string>();
  for (const { pattern, trouble, mustMatch } of trees.flatMap(({ ignore }) => ignore)) {
    const matches = await expandGlob(root, pattern);
    for (const { path } of matches) ignored.add(path);
    if (matches.length > 0 || !mustMatch) continue;
    const near = await nearestFile(root, pattern);
    failures.push(trouble(`no file matches ${pattern}`, near === undefined ? 'remove it' : `the nearest is ${near}`));
  }
  const isIgnored = (path: string) => {
    for (let each = path; each !== '.'; each = posix.dirname(each)) if (ignored.has(each)) return true;
    return false;
  };

  const seen = new Set<string>();
  for (const tree of trees) {
    let told = 0;
    let untold = 0;
    for await (const path of filesBelow(root, tree.path, new Set(tree.without))) {
      if (seen.has(path)) continue;
      seen.add(path);
      const takenBy = owners.get(path) ?? [];
      if (takenBy.length === 1 || (takenBy.length === 0 && isIgnored(path))) continue;
      if (told++ >= toldMax) untold++;
      else failures.push(takenBy.length === 0 ? inNone(path, tree, takers) : inTwo(path, takenBy));
    }
    if (untold > 0) {
      const because = `${untold} more files of ${tree.path} are in no package, or in several`;
      failures.push(tree.trouble(because, 'mend those that are named first'));
    }
  }
  return failures;
}

function inNone(path: string, tree: SourceTree, takers: readonly Taker[]): Failure {
  let best: { taker: Taker; placement: Extract<Placement, { src: string }>; distance: number } | undefined;
  for (const taker of takers) {
    for (const placement of taker.placements) {
      if (placement.type !== 'file' && placement.type !== 'config') continue;
      const distance = editDistance(placement.src, path);
      if (best === undefined || distance < best.distance) best = { taker, placement, distance };
    }
  }
  const because = `${path} is in no package`;
  if (best === undefined) return tree.trouble(because, 'pack it, or write it to ignore:');
  const { taker, placement } = best;
  const fix = `the nearest pattern is ${placement.src} of ${taker.name}; pack the file, or write it to ignore:`;
  return placement.trouble('src', because, fix);
}

function inTwo(path: string, [first, second]: readonly Taker[]): Failure {
  const one = first!.taken.get(path)!;
  const because = `${path} is in ${first!.name} (${'src' in one ? one.src : path}) and in ${second!.name}`;
  return second!.taken.get(path)!.trouble('src', because, 'leave it to one of the two');
}

async function* filesBelow(root: string, folder: string, without: ReadonlySet<string>): AsyncGenerator<string> {
  const items = await readdir(posix.join(root, folder), { withFileTypes: true }).catch((error: unknown) => {
    throw unreadable(folder, error);
  });
  for (const item of items.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = folder === '.' ? item.name : `${folder}/${item.name}`;
    if (ownState.has(path) || without.has(path) || isOwnFile(path)) continue;
    if (item.isDirectory()) yield* filesBelow(root, path, without);
    else yield path;
  }
}

/** At the root, what declares the packages is in none. */
function isOwnFile(path: string): boolean {
  return path === 'imgbuild.yaml' || path === 'imgbuild.lock';
}

/** Whether there is such a folder. */
export async function isFolder(root: string, path: string): Promise<boolean> {
  const stats = await lstat(posix.join(root, path)).catch(missingOrThrow(path));
  return stats !== undefined && stats.isDirectory();
}
