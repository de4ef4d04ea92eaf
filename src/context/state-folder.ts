import { access, constants, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../failure.ts';
import { makeFolder } from '../files/make-folder.ts';

/**
 * Makes a folder in `.imgbuild` below `root`; `.imgbuild` gets the .gitignore that keeps all of it out of git. Throws a
 * Failure, whose cause is what the file system says, where it cannot be made or written to.
 */
export async function makeStateFolder(root: string, ...below: string[]): Promise<string> {
  const folder = join(root, '.imgbuild', ...below);
  try {
    await makeFolder(folder);
    await access(folder, constants.W_OK | constants.X_OK);
    await writeFile(join(root, '.imgbuild/.gitignore'), '*\n', { flag: 'wx' }).catch(unlessThere);
  } catch (error) {
    throw unusable(folder, error as NodeJS.ErrnoException);
  }
  return folder;
}

function unlessThere(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}

function unusable(folder: string, error: NodeJS.ErrnoException): Failure {
  const denied = ['this user may not write there', 'give this user the right to: a run with sudo may have made it'];
  const inTheWay = ['a file is in the way', 'move it away'];
  const known: Record<string, string[]> = {
    EACCES: denied,
    EPERM: denied,
    EROFS: ['the file system is read-only', 'work on a copy that can be written to'],
    EEXIST: inTheWay,
    ENOTDIR: inTheWay,
  };
  const [because, fix] = known[error.code ?? ''] ?? [error.message, 'make room there, or mend what is in the way'];
  return new Failure({ doing: `making the folder ${folder}`, because: because!, fix: fix!, cause: error });
}
