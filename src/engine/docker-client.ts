import { Failure } from '../failure.ts';
import { run, type RunOptions, type RunResult } from '../process/run.ts';
import { startProgram, type StartedProgram } from '../process/start.ts';

/** The docker command line client that fits the daemon. */
export interface DockerClient {
  /** Path of the program. */
  program: string;
  env: NodeJS.ProcessEnv;
}

/** docker starts its plugins, which only a signal to the whole group ends. */
export function runDocker(
  client: DockerClient,
  args: readonly string[],
  options: Omit<RunOptions, 'env'> = {},
): Promise<RunResult> {
  return run(client.program, args, { ...options, env: client.env, ownGroup: true });
}

export function startDocker(client: DockerClient, args: readonly string[], signal?: AbortSignal): StartedProgram {
  return startProgram(client.program, args, {
    env: client.env,
    ownGroup: true,
    ...(signal === undefined ? {} : { signal }),
  });
}

/** Standard output, trimmed. Throws a Failure of `doing` with the client's last lines unless it exits with 0. */
export async function askDocker(
  client: DockerClient,
  args: readonly string[],
  doing: string,
  signal?: AbortSignal,
): Promise<string> {
  const result = await runDocker(client, args, signal === undefined ? {} : { signal });
  if (result.exitCode === 0) return result.stdout.toString('utf8').trim();
  throw dockerFailure(doing, result.stderr);
}

/**
 * What a started program writes, as `read` makes of it. A reader that gives up in the middle ends the program, and its
 * own error tells why; else a program that fails does, by a Failure of `doing`.
 */
export async function readOutput<T>(
  program: StartedProgram,
  doing: string,
  read: (stdout: AsyncIterable<Buffer>) => Promise<T>,
): Promise<T> {
  program.stdin.end();
  let gaveUp = false;
  const chunks = program.stdout.iterator() as AsyncIterableIterator<Buffer>;
  const whole = async (): Promise<T> => {
    const result = await read({ [Symbol.asyncIterator]: () => chunks });
    // What follows an archive's end: a program has not ended while some of its output waits to be read.
    while ((await chunks.next()).done !== true);
    return result;
  };
  const reading = whole().catch((error: unknown) => {
    gaveUp = !program.stdout.readableEnded;
    // Output that nobody reads would keep the program from ending.
    program.stdout.destroy();
    throw error;
  });
  const [exit, result] = await Promise.allSettled([program.exited, reading]);
  if (exit.status === 'rejected') throw exit.reason;
  if (exit.value !== 0 && !gaveUp) throw dockerFailure(doing, program.stderr());
  if (result.status === 'rejected') throw result.reason;
  return result.value;
}

export function dockerFailure(doing: string, stderr: string): Failure {
  const because = lastLines(stderr, 5).replace(/^(Error response from daemon|ERROR): /gim, '');
  const full = /no space left on device/.test(because);
  return new Failure({
    doing,
    because: because === '' ? 'docker gave no reason' : because,
    fix: full
      ? 'make room on the disk of the engine, for example with `docker system prune`'
      : 'see the cause above; `imgbuild doctor` checks the engine',
  });
}

export function lastLines(text: string, count: number): string {
  return text.trim().split('\n').slice(-count).join('\n').trim();
}
