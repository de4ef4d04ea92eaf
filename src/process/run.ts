import { spawn } from 'node:child_process';
import { Failure } from '../failure.ts';

export interface RunOptions {
  cwd?: string;
  /** The whole environment of the program; the process's own where absent. */
  env?: NodeJS.ProcessEnv;
  /** Sent to standard input, which is closed afterwards; none where absent. */
  input?: string | Uint8Array;
  signal?: AbortSignal;
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

const stderrKept = 64 * 1024;

/** Splits a stream of bytes into lines; a last line without a newline comes at `end`. */
export function lineSplitter(onLine: (line: string) => void): { push(chunk: Buffer): void; end(): void } {
  const decoder = new TextDecoder();
  let rest = '';
  return {
    push(chunk) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = lines.pop()!;
      for (const line of lines) onLine(line);
    },
    end() {
      if (rest !== '') onLine(rest);
      rest = '';
    },
  };
}

/**
 * Runs a program with an argument vector, never through a shell, and waits for it.
 * Resolves whatever the exit code is; throws a Failure when the program cannot be started or the signal aborts it.
 */
export async function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: ['pipe', 'pipe', 'pipe'],
    signal: options.signal,
  });
  const stdout: Buffer[] = [];
  let stderr = '';
  const outLines = options.onStdoutLine && lineSplitter(options.onStdoutLine);
  const errLines = options.onStderrLine && lineSplitter(options.onStderrLine);
  child.stdout.on('data', (chunk: Buffer) => (outLines ? outLines.push(chunk) : stdout.push(chunk)));
  child.stderr.on('data', (chunk: Buffer) => {
    errLines?.push(chunk);
    stderr = (stderr + chunk.toString('utf8')).slice(-stderrKept);
  });
  // A program that ends without reading its input closes the pipe: its exit code tells, not EPIPE.
  child.stdin.on('error', () => {});
  child.stdin.end(options.input);
  return new Promise((resolve, reject) => {
    child.on('error', (error: NodeJS.ErrnoException) => {
      if (options.signal?.aborted) return reject(options.signal.reason);
      const missing = error.code === 'ENOENT';
      reject(
        new Failure({
          doing: `starting ${program}`,
          because: missing ? 'there is no such program on PATH' : error.message,
          fix: missing ? `install ${program}; \`imgbuild doctor\` lists what is needed` : 'see the cause above',
          cause: error,
        }),
      );
    });
    child.on('close', (code, signal) => {
      outLines?.end();
      errLines?.end();
      resolve({ exitCode: code ?? (signal ? 128 : 1), stdout: Buffer.concat(stdout), stderr });
    });
  });
}

/** As `run`, and throws a Failure with the program's last output unless it exits with 0. Returns standard output. */
export async function runChecked(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { exitCode, stdout, stderr } = await run(program, args, options);
  if (exitCode === 0) return stdout.toString('utf8');
  const last =
    stderr.trim().split('\n').slice(-5).join('\n') || stdout.toString('utf8').trim().split('\n').slice(-5).join('\n');
  throw new Failure({ doing: `running ${program} ${args.join(' ')}`, because: `exit code ${exitCode}: ${last}` });
}
