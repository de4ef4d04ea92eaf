import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Makes a folder with those above it, and returns the first that was not there; undefined where all were. Throws what
 * the file system says. Node's own `recursive` tries for ever where a folder is there and takes no other, as /proc.
 */
export async function makeFolder(path: string): Promise<string | undefined> {
  let first: string | undefined;
  for (let again = false; ; again = true) {
    try {
      await mkdir(path);
      return first ?? path;
    } catch (error) {
      if (await isFolder(path)) return first;
      const noParent = (error as NodeJS.ErrnoException).code === 'ENOENT' && dirname(path) !== path;
      if (!noParent || again) throw error;
      first = await makeFolder(dirname(path));
    }
  }
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}
