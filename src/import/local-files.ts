import { readFileSync, realpathSync, statSync } from 'node:fs';
import { join, posix, sep } from 'node:path';
import { didYouMean } from '../config/did-you-mean.ts';
import { readdirSync } from 'node:fs';

/** Files below the project's root, for descriptions that name some. Paths are relative to the root. */
export interface LocalFiles {
  /** Throws a NotLocal when there is none, or it lies elsewhere. */
  read(path: string): string;
  /** Throws a NotLocal when there is nothing, or it lies elsewhere. */
  kind(path: string): 'file' | 'folder';
}

/** Why a path cannot be used, and what to do. */
export class NotLocal extends Error {
  readonly fix: string;

  constructor(because: string, fix: string) {
    super(because);
    this.fix = fix;
  }
}

const largest = 1024 * 1024;

export function localFiles(root: string): LocalFiles {
  const realRoot = realpathSync(root);
  const find = (path: string): string => {
    if (path === '..' || path.startsWith('../') || path.startsWith('/')) {
      throw new NotLocal(`${path} lies outside of the project`, 'move what is needed into the project');
    }
    let real: string;
    try {
      real = realpathSync(join(realRoot, path));
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT' && code !== 'ENOTDIR')
        throw new NotLocal(`${path} cannot be read: ${message}`, 'see to it');
      throw new NotLocal(`there is no file or folder ${path}`, nearest(realRoot, path));
    }
    if (real !== realRoot && !real.startsWith(realRoot.endsWith(sep) ? realRoot : realRoot + sep)) {
      throw new NotLocal(`${path} is a link that leaves the project`, 'put what is needed into the project');
    }
    return real;
  };
  return {
    read(path) {
      const real = find(path);
      const stats = statSync(real);
      if (!stats.isFile()) throw new NotLocal(`${path} is no file`, 'name a file');
      if (stats.size > largest)
        throw new NotLocal(`${path} has ${stats.size} bytes`, 'such files are small: mend the path');
      try {
        return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(real));
      } catch {
        throw new NotLocal(`${path} is no UTF-8 text`, 'save it as UTF-8');
      }
    },
    kind(path) {
      const stats = statSync(find(path));
      if (stats.isDirectory()) return 'folder';
      if (stats.isFile()) return 'file';
      throw new NotLocal(`${path} is no file and no folder`, 'name what it stands for');
    },
  };
}

function nearest(root: string, path: string): string {
  const folder = posix.dirname(path);
  let names: string[] = [];
  try {
    names = readdirSync(join(root, folder));
  } catch {
    // The folder is not there either.
  }
  const near = didYouMean(posix.basename(path), names);
  return near === undefined ? 'make it, or mend the path' : `did you mean ${posix.join(folder, near)}?`;
}
