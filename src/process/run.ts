import { Failure } from '../failure.ts';
import { lineSplitter, startProgram } from './start.ts';

export { lineSplitter } from './start.ts';

export interface RunOptions {
  cwd?: string;
  /** The whole environment of the program; the process's own where absent. */
  env?: NodeJS.ProcessEnv;
  /** Sent to standard input, which is closed afterwards; none where absent. */
  input?: string | Uint8Array;
  /** Ends the program; the call then rejects with the signal's reason, once the program has ended. */
  signal?: AbortSignal;
  /** As in StartOptions. */
  ownGroup?: boolean;
  /** Called for every whole line of standard error as it comes. */
  onStderrLine?: (line: string) => void;
  /** Called for every whole line of standard output as it comes; standard output is then not collected. */
  onStdoutLine?: (line: string) => void;
}

export interface RunResult {
  /** 128 + signal number when a signal ended it. */
  exitCode: number;
  stdout: Buffer;
  /** The last 64 KiB. */
  stderr: string;
}

/**
 * Runs a program with an argument vector, never through a shell, and waits for it.
 * Resolves whatever the exit code is; throws a Failure when the program cannot be started or the signal aborts it.
 */
export async function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const { input, onStdoutLine, ...start } = options;
  const child = startProgram(program, args, start);
  const stdout: Buffer[] = [];
  const lines = onStdoutLine && lineSplitter(onStdoutLine);
  child.stdout.on('data', (chunk: Buffer) => (lines ? lines.push(chunk) : stdout.push(chunk)));
  child.stdin.end(input);
  const exitCode = await child.exited;
  lines?.end();
  return { exitCode, stdout: Buffer.concat(stdout), stderr: child.stderr() };
}

/** As `run`, and throws a Failure with the program's last output unless it exits with 0. Returns standard output. */
export async function runChecked(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { exitCode, stdout, stderr } = await run(program, args, options);
  if (exitCode === 0) return stdout.toString('utf8');
  const last =
    stderr.trim().split('\n').slice(-5).join('\n') || stdout.toString('utf8').trim().split('\n').slice(-5).join('\n');
  throw new Failure({
    doing: `running ${program} ${args.join(' ')}`,
    because: `exit code ${exitCode}: ${last}`,
    fix: `mend what ${program} says, and run it again`,
  });
}
