import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../failure.ts';
import { replaceFile } from '../../files/durable-write.ts';

/** `<state>/<name>/current`: which release runs on this host. The packaged unit follows it. */
export interface CurrentRelease {
  schema: 1;
  version: string;
  /** By the image's name without its tag. */
  images: Record<string, { config: string; platform: string }>;
}

export const defaultState = '/var/lib/imgbuild';

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$/;

/** The folder of a project's state. Throws a Failure for a name that would leave the state folder. */
export function stateFolder(state: string, name: string): string {
  if (!namePattern.test(name)) {
    throw new Failure({
      doing: `finding the state folder of ${JSON.stringify(name)}`,
      because: 'the name has other characters than letters, digits and . _ + -',
      fix: 'make the bundle with another name: `imgbuild ota diff --name NAME`',
      kind: 'input',
    });
  }
  return join(state, name);
}

export async function readCurrent(folder: string): Promise<CurrentRelease | undefined> {
  const path = join(folder, 'current');
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  try {
    const value = JSON.parse(text) as CurrentRelease;
    if (value.schema === 1 && typeof value.images === 'object') return value;
  } catch {
    // Said below.
  }
  throw new Failure({
    doing: `reading ${path}`,
    because: 'it is not what imgbuild writes',
    fix: 'remove it, and apply the release that should run',
  });
}

/** Replaced as a whole, and on the disk when this resolves. */
export async function writeCurrent(folder: string, current: CurrentRelease): Promise<void> {
  await mkdir(folder, { recursive: true });
  await replaceFile(join(folder, 'current'), (file) => file.writeFile(`${JSON.stringify(current)}\n`));
}
