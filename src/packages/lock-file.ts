import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../failure.ts';
import { replaceFile } from '../files/durable-write.ts';

export const packagesLockName = 'packages.lock';

/** sha256 by name: the packages folder as imgbuild.yaml names it, and the path in it. */
export type PackagesLock = Map<string, { sha256: string; line: number }>;

/**
 * The form of sha256sum (coreutils): `sha256sum -c packages.lock` checks it in the repository's root. Throws a Failure at the
 * line that is wrong.
 */
export function parsePackagesLock(text: string): PackagesLock {
  const lock: PackagesLock = new Map();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const [whole, sha256 = '', name = ''] = /^([0-9a-f]{64}) [ *](.+)$/.exec(line) ?? [];
    const earlier = lock.get(name);
    if (whole === undefined || (earlier !== undefined && earlier.sha256 !== sha256)) {
      throw new Failure({
        doing: `reading ${packagesLockName}`,
        because: whole === undefined ? 'this is no line of sha256sum' : `${name} stands here twice, with two sums`,
        fix: 'remove the line, then run `imgbuild lock`',
        at: { file: packagesLockName, line: index + 1, column: 1, length: Math.max(1, line.length), text: line },
        kind: 'input',
      });
    }
    lock.set(name, { sha256, line: index + 1 });
  }
  return lock;
}

export async function readPackagesLock(root: string): Promise<PackagesLock> {
  try {
    return parsePackagesLock(await readFile(join(root, packagesLockName), 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
    throw error;
  }
}

export function packagesLockText(sums: ReadonlyMap<string, string>): string {
  const names = [...sums.keys()].toSorted();
  return names.map((name) => `${sums.get(name)}  ${name}\n`).join('');
}

export async function writePackagesLock(root: string, sums: ReadonlyMap<string, string>): Promise<void> {
  await replaceFile(join(root, packagesLockName), (file) => file.writeFile(packagesLockText(sums)));
}
