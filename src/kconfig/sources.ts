import { readFileSync, realpathSync } from 'node:fs';
import { dirname, join, posix, sep } from 'node:path';

/** A file that a source statement names, or why there is none to read. `path` is relative to the root, POSIX. */
export type Source =
  | { kind: 'file'; path: string; text: string }
  | { kind: 'missing' }
  /** It is outside the repository, by its name or through a link. */
  | { kind: 'outside' }
  | { kind: 'unreadable'; because: string };

export type ReadSource = (path: string) => Source;

/** Reads files below the root, and nothing else whatever they name. `root` is absolute. */
export function sourcesBelow(root: string): ReadSource {
  const real = realpathSync(root);
  const prefix = real.endsWith(sep) ? real : real + sep;
  return (path) => {
    const clean = posix.normalize(path);
    if (posix.isAbsolute(clean) || clean === '..' || clean.startsWith('../') || clean.includes('\0')) {
      return { kind: 'outside' };
    }
    try {
      const file = realpathSync(join(root, clean));
      if (!file.startsWith(prefix)) return { kind: 'outside' };
      return { kind: 'file', path: clean, text: new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file)) };
    } catch (error) {
      if (error instanceof TypeError) return { kind: 'unreadable', because: 'it is not UTF-8' };
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') return { kind: 'missing' };
      if (code === 'EISDIR') return { kind: 'unreadable', because: 'it is a folder' };
      return { kind: 'unreadable', because: message };
    }
  };
}

/** Of a path relative to the root; the root itself is ''. */
export function folderOf(path: string): string {
  const folder = dirname(path);
  return folder === '.' ? '' : folder;
}
