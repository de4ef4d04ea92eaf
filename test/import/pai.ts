import { execFileSync } from 'node:child_process';
import { cpSync, lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { blobId } from '../../src/context/blob-id.ts';

export interface Entry {
  src: string;
  dst: string;
}

export function imageYaml(entries: readonly Entry[]): string {
  const lines = entries.map(({ src, dst }) => `  - src: ${JSON.stringify(src)}\n    dst: ${JSON.stringify(dst)}\n`);
  return entries.length === 0 ? '' : `copy-list:\n${lines.join('')}`;
}

/** What is in a folder as a context has it: path → mode and content; of folders only empty ones. */
export function listing(folder: string, prefix = ''): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of readdirSync(join(folder, prefix)).toSorted()) {
    const path = prefix === '' ? name : `${prefix}/${name}`;
    const full = join(folder, path);
    const stats = lstatSync(full);
    if (stats.isSymbolicLink()) found[path] = `120000 ${blobId(readlinkSync(full, { encoding: 'buffer' }))}`;
    else if (stats.isFile())
      found[path] = `${(stats.mode & 0o100) === 0 ? '100644' : '100755'} ${blobId(readFileSync(full))}`;
    else {
      const inside = listing(folder, path);
      Object.assign(found, Object.keys(inside).length > 0 ? inside : { [path]: `040000 ${'0'.repeat(40)}` });
    }
  }
  return found;
}

/** What the real cp makes of the entries in a copy of the tree; undefined where it refuses one. */
export function realCopies(root: string, cwd: string, component: string, entries: readonly Entry[]) {
  const copy = realpathSync(mkdtempSync(join(tmpdir(), 'imgbuild-cp-')));
  try {
    cpSync(root, copy, { recursive: true, verbatimSymlinks: true });
    for (const { src, dst } of entries) {
      try {
        execFileSync('cp', ['-r', src, dst], { cwd: join(copy, cwd), stdio: 'ignore' });
      } catch {
        return undefined;
      }
    }
    return listing(join(copy, component));
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}
