import { Failure } from '../failure.ts';

/** Debian's packages of programs that are not called as they are. */
const packages: Readonly<Record<string, string>> = { xz: 'xz-utils', docker: 'docker.io' };

/** The failure of a program that could not be started. */
export function cannotStart(program: string, error: NodeJS.ErrnoException): Failure {
  const missing = error.code === 'ENOENT';
  return new Failure({
    doing: `starting ${program}`,
    because: missing ? 'there is no such program on PATH' : error.message,
    fix: missing
      ? `install ${packages[program] ?? program}; \`imgbuild doctor\` lists what is needed`
      : 'see the cause above',
    cause: error,
  });
}
