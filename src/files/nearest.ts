import { readdir } from 'node:fs/promises';
import { posix } from 'node:path';
import { editDistance } from '../config/did-you-mean.ts';
import { literalPrefix, ownState } from './glob.ts';

/** More candidates than these are not looked at. */
const candidateLimit = 20_000;

/** The path that takes the fewest edits to be the pattern, among those in the deepest folder of it that exists. */
export async function nearestFile(root: string, pattern: string): Promise<string | undefined> {
  let folder = literalPrefix(pattern);
  while (folder !== '.' && (await readdir(posix.join(root, folder)).catch(() => undefined)) === undefined) {
    folder = posix.dirname(folder);
  }
  const wanted = pattern.replaceAll(/\*+\/?/g, '');
  let best: { path: string; distance: number } | undefined;
  let seen = 0;
  const pending = [folder];
  for (let next = pending.shift(); next !== undefined && seen < candidateLimit; next = pending.shift()) {
    const items = await readdir(posix.join(root, next), { withFileTypes: true }).catch(() => []);
    for (const item of items.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = next === '.' ? item.name : `${next}/${item.name}`;
      if (ownState.has(path) || item.name === 'node_modules') continue;
      if (item.isDirectory()) pending.push(path);
      else if (seen++ < candidateLimit) {
        const distance = editDistance(path, wanted);
        if (best === undefined || distance < best.distance) best = { path, distance };
      }
    }
  }
  return best?.path;
}
