import { readFile, readdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Failure, Failures } from '../failure.ts';
import { checkConfig, type LoadOptions } from './check.ts';
import type { Config } from './config.ts';
import { missingFiles } from './missing-files.ts';

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

/**
 * Reads and checks imgbuild.yaml, and that the files it names exist. Throws Failures with all that is wrong in it,
 * or one Failure when the file cannot be read.
 */
export async function loadConfig(file: string, options: LoadOptions = {}): Promise<Config> {
  const path = resolve(file);
  const { config, failures, sketches, source } = checkConfig(await readText(path), path, options);
  const missing = await missingFiles(sketches, source, path);
  const all = [...failures, ...missing].toSorted(
    (a, b) => (a.at?.line ?? 0) - (b.at?.line ?? 0) || (a.at?.column ?? 0) - (b.at?.column ?? 0),
  );
  if (all.length > 0) throw new Failures(all);
  return config as Config;
}

async function readText(file: string): Promise<string> {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file));
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new Failure({
      doing: `reading ${file}`,
      because: missing
        ? 'there is no such file'
        : error instanceof TypeError
          ? 'it is not UTF-8'
          : (error as Error).message,
      fix: missing
        ? '`imgbuild init` writes one from the Dockerfiles it finds'
        : 'save it as a UTF-8 text that can be read',
      kind: 'input',
      cause: error,
    });
  }
}
