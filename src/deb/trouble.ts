import { basename } from 'node:path';
import type { Config } from '../config/config.ts';
import { Failure, Failures } from '../failure.ts';

/** An error of a package's configuration, at its place in the file. `path` begins below `debs.<name>`. */
export function debTrouble(
  config: Pick<Config, 'file' | 'locate'>,
  deb: string,
  path: readonly (string | number)[],
  because: string,
  fix: string,
): Failure {
  return new Failure({
    doing: `reading ${basename(config.file)}`,
    because: `package ${deb}: ${because}`,
    fix,
    at: config.locate(['debs', deb, ...path]),
    kind: 'input',
  });
}

/** Runs `step`, and keeps what it says is wrong, so that all of it is shown at once. */
export async function keepFailures<T>(failures: Failure[], step: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await step();
  } catch (error) {
    if (error instanceof Failures) failures.push(...error.failures);
    else if (error instanceof Failure) failures.push(error);
    else throw error;
    return undefined;
  }
}

export function throwAll(failures: readonly Failure[]): void {
  if (failures.length === 1) throw failures[0]!;
  if (failures.length > 1) throw new Failures(failures);
}
