import { createHash } from 'node:crypto';
import { lstatSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/**
 * What a context is, in the plainest words: everything on the disk but .git and .imgbuild, each file read. `excluded`
 * is asked for each file, and for each folder whether it counts when it's empty. Path → `mode hash`.
 */
export function naive(root: string, excluded: (path: string) => boolean = () => false): Record<string, string> {
  const found: [string, string][] = [];
  const id = (bytes: Buffer): string => createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
  const visit = (folder: string): void => {
    for (const name of readdirSync(join(root, folder))) {
      if (name === '.git' || name === '.imgbuild') continue;
      const path = folder === '' ? name : `${folder}/${name}`;
      const info = lstatSync(join(root, path));
      if (info.isDirectory()) {
        const before = found.length;
        visit(path);
        if (found.length === before && !excluded(path)) found.push([path, `040000 ${'0'.repeat(40)}`]);
      } else if (!excluded(path)) {
        const link = info.isSymbolicLink();
        const bytes = link ? Buffer.from(readlinkSync(join(root, path))) : readFileSync(join(root, path));
        const mode = link ? '120000' : info.mode & 0o100 ? '100755' : '100644';
        found.push([path, `${mode} ${id(bytes)}`]);
      }
    }
  };
  visit('');
  return Object.fromEntries(found.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
