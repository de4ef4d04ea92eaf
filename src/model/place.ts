import { constants, copyFile, mkdir, open, readdir, rename } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { Failure } from '../failure.ts';
import { syncFolder } from '../files/durable-write.ts';
import { makeTemporaryFolder } from '../files/temporary-folder.ts';
import { unreadable } from '../files/unreadable.ts';
import type { Progress } from '../progress.ts';
import type { ModelFile } from './assemble.ts';

/**
 * Puts the files of a model into `directory`/NAME/, which appears whole and takes the place of what an earlier call put
 * there. Throws a Failure, and touches nothing, where files lie there that are no part of the model.
 */
export async function placeModel(
  name: string,
  files: readonly ModelFile[],
  directory: string,
  options: { progress: Progress; signal?: AbortSignal | undefined },
): Promise<void> {
  const target = join(directory, name);
  await refuseOthers(target, files);
  const work = await makeTemporaryFolder(directory, '.making-');
  const size = files.reduce((sum, file) => sum + file.size, 0);
  const transfer = options.progress.transfer(`copying ${name}`, size);
  try {
    const made = join(work.path, 'new');
    await mkdir(made);
    for (const file of files) {
      options.signal?.throwIfAborted();
      await copy(file, join(made, file.path));
      transfer.add(file.size);
    }
    await rename(target, join(work.path, 'old')).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
    await rename(made, target);
    await syncFolder(directory);
  } finally {
    transfer.end();
    await work.remove();
  }
}

async function copy({ file, path }: ModelFile, to: string): Promise<void> {
  if (file === undefined) throw new TypeError(`${path} was not fetched`);
  await mkdir(dirname(to), { recursive: true });
  await copyFile(file, to, constants.COPYFILE_FICLONE);
  const handle = await open(to, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A folder with files of somebody else is not ours to replace. */
async function refuseOthers(target: string, files: readonly ModelFile[]): Promise<void> {
  const own = new Set(files.map(({ path }) => path));
  const refused = (because: string) =>
    new Failure({
      doing: `placing a model in ${target}`,
      because,
      fix: 'remove it, or name another folder with -o',
      kind: 'input',
    });
  const entries = await readdir(target, { recursive: true, withFileTypes: true }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error.code === 'ENOTDIR' ? refused('it is a file') : unreadable(target, error);
    },
  );
  for (const entry of entries) {
    const path = relative(target, join(entry.parentPath, entry.name));
    if (entry.isDirectory() || own.has(path)) continue;
    throw refused(`${path} lies there, and is no part of the model`);
  }
}
