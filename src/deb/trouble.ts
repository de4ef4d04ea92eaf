import { basename } from 'node:path';
import type { Config } from '../config/config.ts';
import { Failure } from '../failure.ts';

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
