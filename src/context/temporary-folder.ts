import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Failure } from '../failure.ts';
import { makeTemporaryFolder, type TemporaryFolder } from '../files/temporary-folder.ts';
import { makeStateFolder } from './state-folder.ts';

const unwritable = new Set(['EACCES', 'EPERM', 'EROFS']);

/**
 * A new folder in `.imgbuild/tmp`, on the tree's own file system, so that copies can share its blocks; in the system's
 * temporary folder where this user cannot write there. Throws a Failure where it cannot be made for another reason: what
 * a disk has no room for does not belong in memory, where many a system has its temporary folder.
 */
export async function temporaryFolder(root: string): Promise<TemporaryFolder> {
  try {
    return await makeTemporaryFolder(await makeStateFolder(root, 'tmp'), 'context-');
  } catch (error) {
    const { code, message } = (error instanceof Failure ? error.cause : error) as NodeJS.ErrnoException;
    if (code !== undefined && unwritable.has(code)) return makeTemporaryFolder(tmpdir(), 'imgbuild-context-');
    if (error instanceof Failure) throw error;
    const doing = `making a temporary folder in ${join(root, '.imgbuild/tmp')}`;
    throw new Failure({ doing, because: message, fix: 'make room there, or mend what is in the way', cause: error });
  }
}
