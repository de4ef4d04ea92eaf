import { readdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Failure } from '../failure.ts';

export const configFileName = 'imgbuild.yaml';

/** imgbuild.yaml in the folder or the nearest one above it. Throws a Failure when there is none. */
export async function findConfig(directory: string): Promise<string> {
  for (let folder = resolve(directory); ; folder = dirname(folder)) {
    const names: string[] = await readdir(folder).catch(() => []);
    if (names.includes(configFileName)) return join(folder, configFileName);
    if (names.includes('imgbuild.yml')) {
      throw new Failure({
        doing: `looking for ${configFileName} in ${directory}`,
        because: `${join(folder, 'imgbuild.yml')} has another ending`,
        fix: `rename it to ${configFileName}`,
        kind: 'input',
      });
    }
    if (dirname(folder) === folder) break;
  }
  throw new Failure({
    doing: `looking for ${configFileName} in ${directory}`,
    because: 'it is neither there nor in a folder above',
    fix: '`imgbuild init` writes one from the Dockerfiles it finds; -C DIR and -f FILE name another place',
    kind: 'input',
  });
}
