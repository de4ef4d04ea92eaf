import { access, constants, readdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Failure } from '../failure.ts';
import { fileFailure } from './file-failure.ts';

/** What a layout may hold before its index.json is written. */
const own = new Set(['blobs', 'oci-layout', 'ingest', '.ingest', '.lock']);

/**
 * What stands at a folder that is a store, or is to become one. Missing is fine: the first save makes it. Throws a
 * Failure where a file or somebody's own folder stands there, and with `write` where this user may not write.
 */
export async function checkFolder(folder: string, use: 'read' | 'write'): Promise<'layout' | 'none'> {
  const doing = `opening the store in ${folder}`;
  const present = await namesIn(folder, doing);
  const layout = present?.includes('index.json') ?? false;
  const foreign = layout ? undefined : present?.find((name) => !own.has(name));
  if (foreign !== undefined) {
    throw new Failure({
      doing,
      because: `the folder holds ${foreign} and is no OCI image layout`,
      fix: 'name an empty folder or one that is not there yet as `store:`',
      kind: 'input',
    });
  }
  if (use === 'write') {
    await access(present === undefined ? await nearest(folder) : folder, constants.W_OK).catch((error: unknown) => {
      throw fileFailure(doing, error);
    });
  }
  return layout ? 'layout' : 'none';
}

async function namesIn(folder: string, doing: string): Promise<string[] | undefined> {
  try {
    return await readdir(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    if (code !== 'ENOTDIR') throw fileFailure(doing, error);
    throw new Failure({
      doing,
      because: 'a file stands there, or in place of a folder above',
      fix: 'move the file away, or name another folder as `store:`',
      kind: 'input',
      cause: error,
    });
  }
}

/** The nearest folder above that is there. */
async function nearest(folder: string): Promise<string> {
  for (let each = dirname(folder); ; each = dirname(each)) {
    if (each === dirname(each)) return each;
    const there = await access(each).then(
      () => true,
      () => false,
    );
    if (there) return each;
  }
}
