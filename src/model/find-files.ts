import { lstat, readdir } from 'node:fs/promises';
import { basename, posix } from 'node:path';
import type { Config } from '../config/config.ts';
import { Failure } from '../failure.ts';
import { expandGlob, hasWildcard, ownState } from '../files/glob.ts';
import { nearestFile } from '../files/nearest.ts';
import { missingOrThrow, unreadable } from '../files/unreadable.ts';

export interface FoundFile {
  /** Relative to the repository's root. */
  path: string;
  /** Below the pattern's part without wildcards: its place in the model. */
  to: string;
}

/**
 * The files that patterns of a model match, folders with all below them, in byte order of their places. `key`: the list
 * in the configuration. Throws a Failure at the pattern that matches nothing, no file, or a place that is taken.
 */
export async function findFiles(
  config: Config,
  name: string,
  key: readonly string[],
  patterns: readonly string[],
): Promise<FoundFile[]> {
  const found = new Map<string, string>();
  for (const [index, pattern] of patterns.entries()) {
    const trouble = (because: string, fix: string) =>
      new Failure({
        doing: `reading ${basename(config.file)}`,
        because: `model ${name}: ${because}`,
        fix,
        at: config.locate(['models', name, ...key, index]),
        kind: 'input',
      });
    let count = 0;
    for (const match of await matchesOf(config.root, pattern)) {
      for await (const { path, to } of filesBelow(config.root, match, trouble)) {
        // oxlint-disable-next-line no-control-regex -- these are what is refused
        if (/[\u0000-\u001F\u007F]/.test(to)) {
          throw trouble(`the name ${JSON.stringify(path)} has a control character`, 'rename the file');
        }
        const other = found.get(to);
        if (other !== undefined && other !== path) {
          throw trouble(`${path} and ${other} both become ${to}`, 'name a folder above both, or rename one of them');
        }
        found.set(to, path);
        count++;
      }
    }
    if (count > 0) continue;
    const near = await nearestFile(config.root, pattern);
    const because = hasWildcard(pattern) ? `no file matches ${pattern}` : `there is no file ${pattern}`;
    throw trouble(because, near === undefined ? 'make it, or mend the pattern' : `the nearest is ${near}`);
  }
  return [...found]
    .map(([to, path]) => ({ path, to }))
    .toSorted((a, b) => Buffer.compare(Buffer.from(a.to), Buffer.from(b.to)));
}

/** A folder stands for what is below it: its own name is no part of the model. */
async function matchesOf(root: string, pattern: string): Promise<FoundFile[]> {
  if (hasWildcard(pattern)) return (await expandGlob(root, pattern)).map(({ path, below }) => ({ path, to: below }));
  const stats = await lstat(posix.join(root, pattern)).catch(missingOrThrow(pattern));
  return [{ path: pattern, to: stats?.isDirectory() ? '' : posix.basename(pattern) }];
}

async function* filesBelow(
  root: string,
  { path, to }: FoundFile,
  trouble: (because: string, fix: string) => Failure,
): AsyncGenerator<FoundFile> {
  if (ownState.has(path)) return;
  const stats = await lstat(posix.join(root, path)).catch(missingOrThrow(path));
  if (stats === undefined) return;
  if (stats.isFile()) yield { path, to };
  else if (stats.isDirectory()) {
    const names = await readdir(posix.join(root, path)).catch((error: unknown) => {
      throw unreadable(path, error);
    });
    for (const each of names) {
      const below = { path: path === '.' ? each : `${path}/${each}`, to: to === '' ? each : `${to}/${each}` };
      yield* filesBelow(root, below, trouble);
    }
  } else {
    throw trouble(`${path} is ${stats.isSymbolicLink() ? 'a symbolic link' : 'no file'}`, 'name the file itself');
  }
}
