import { lstatSync, readFileSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';

/** A tree as the components' descriptions see it. Paths are POSIX, relative to the root. */
export interface Disk {
  /** What stands there, links followed; undefined where nothing does. */
  kind(path: string): 'file' | 'folder' | undefined;
  /** Whether it is a link itself. */
  isLink(path: string): boolean;
  /** Undefined where there is no such file. */
  text(path: string): string | undefined;
  /** Names of the folders, or of the files, in a folder, sorted; none where there is no such folder. */
  folders(path: string): string[];
  files(path: string): string[];
  /** Where a path ends when links are followed; undefined where that is outside of the root. */
  real(path: string): string | undefined;
}

export function diskAt(root: string): Disk {
  const top = realpathSync(root);
  const names = (path: string, wanted: 'file' | 'folder') => {
    try {
      return readdirSync(join(top, path))
        .filter((name) => kind(path === '.' ? name : `${path}/${name}`) === wanted)
        .toSorted();
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  };
  const kind: Disk['kind'] = (path) => {
    try {
      return statSync(join(top, path)).isDirectory() ? 'folder' : 'file';
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  };
  return {
    kind,
    isLink(path) {
      try {
        return lstatSync(join(top, path)).isSymbolicLink();
      } catch (error) {
        if (isMissing(error)) return false;
        throw error;
      }
    },
    text(path) {
      try {
        return readFileSync(join(top, path), 'utf8');
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    },
    folders: (path) => names(path, 'folder'),
    files: (path) => names(path, 'file'),
    real(path) {
      const found = relative(top, realpathSync(join(top, path)));
      return found === '..' || found.startsWith('../') ? undefined : found || '.';
    },
  };
}

function isMissing(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP'].includes((error as NodeJS.ErrnoException).code ?? '');
}
