import { lstat, readdir } from 'node:fs/promises';
import { posix } from 'node:path';
import { missingOrThrow } from './unreadable.ts';

/** Never part of what a user packs: imgbuild's own state, and the history of the repository. */
export const ownState: ReadonlySet<string> = new Set(['.imgbuild', '.git']);

/** A match of a pattern: `path` relative to the root, `below` relative to the pattern's part without wildcards. */
export interface GlobMatch {
  path: string;
  below: string;
}

export function hasWildcard(pattern: string): boolean {
  return /[*?[]/.test(pattern);
}

/** The leading folders of a pattern that have no wildcard; '.' where the first one has. */
export function literalPrefix(pattern: string): string {
  const parts = pattern.split('/');
  const first = parts.findIndex(hasWildcard);
  return parts.slice(0, first === -1 ? parts.length - 1 : first).join('/') || '.';
}

/**
 * Paths below `root` that match: `*` and `?` within a name, `[a-z]` one character, `**` any number of folders. As in a
 * shell, a leading dot must be written. Symbolic links are matched, never followed by a wildcard. In byte order.
 */
export async function expandGlob(root: string, pattern: string): Promise<GlobMatch[]> {
  const prefix = literalPrefix(pattern);
  const parts = (prefix === '.' ? pattern : pattern.slice(prefix.length + 1)).split('/');
  const found = new Set<string>();
  await walk(root, prefix, parts, found);
  const offset = prefix === '.' ? 0 : prefix.length + 1;
  return [...found]
    .toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .map((path) => ({ path, below: path.slice(offset) }));
}

async function walk(root: string, folder: string, parts: readonly string[], found: Set<string>): Promise<void> {
  const [part, ...rest] = parts as [string, ...string[]];
  const inFolder = (name: string) => (folder === '.' ? name : `${folder}/${name}`);
  if (!hasWildcard(part)) {
    const path = inFolder(part);
    const stats = await lstat(posix.join(root, path)).catch(missingOrThrow(path));
    if (stats === undefined) return;
    if (rest.length === 0) found.add(path);
    else if (stats.isDirectory()) await walk(root, path, rest, found);
    return;
  }
  // `**` also stands for no folder at all; last, for everything below.
  if (part === '**' && rest.length > 0) await walk(root, folder, rest, found);
  const matches = namePattern(part);
  for (const item of await readdir(posix.join(root, folder), { withFileTypes: true }).catch(readFailed(folder))) {
    if (part === '**') {
      if (item.name.startsWith('.')) continue;
      if (rest.length === 0 && !item.isDirectory()) found.add(inFolder(item.name));
      if (item.isDirectory()) await walk(root, inFolder(item.name), parts, found);
    } else if (matches.test(item.name)) {
      if (rest.length === 0) found.add(inFolder(item.name));
      else if (item.isDirectory()) await walk(root, inFolder(item.name), rest, found);
    }
  }
}

function namePattern(part: string): RegExp {
  let source = part.startsWith('.') ? '' : '(?!\\.)';
  for (let at = 0; at < part.length; at++) {
    const character = part[at]!;
    const close =
      character === '[' ? part.indexOf(']', part[at + 1] === '!' || part[at + 1] === '^' ? at + 3 : at + 2) : -1;
    if (character === '*') source += '[^/]*';
    else if (character === '?') source += '[^/]';
    else if (close > at) {
      const inner = part
        .slice(at + 1, close)
        .replace(/^!/, '^')
        .replaceAll('\\', '\\\\')
        .replaceAll('[', '\\[');
      source += `[${inner}]`;
      at = close;
    } else source += character.replace(/[\\^$.|+()[\]{}]/g, '\\$&');
  }
  return new RegExp(`^${source}$`, 'su');
}

function readFailed(folder: string): (error: unknown) => [] {
  return (error) => {
    missingOrThrow(folder)(error);
    return [];
  };
}
