import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Makes a folder in `.imgbuild` below `root`; `.imgbuild` gets the .gitignore that keeps all of it out of git. */
export async function makeStateFolder(root: string, ...below: string[]): Promise<string> {
  const folder = join(root, '.imgbuild', ...below);
  await mkdir(folder, { recursive: true });
  try {
    await writeFile(join(root, '.imgbuild/.gitignore'), '*\n', { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return folder;
}
