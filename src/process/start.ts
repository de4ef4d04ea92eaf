import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { cannotStart } from './cannot-start.ts';

export interface StartOptions {
  cwd?: string;
  /** The whole environment of the program; the process's own where absent. */
  env?: NodeJS.ProcessEnv;
  /** Ends the program: SIGTERM, and SIGKILL after ten seconds. */
  signal?: AbortSignal;
  /** Makes the program the head of a process group that `signal` ends as a whole: for programs that start others. */
  ownGroup?: boolean;
  onStderrLine?: (line: string) => void;
}

/** A program that runs. Its streams are for whoever started it; `exited` settles when all of them are closed. */
export interface StartedProgram {
  /** Undefined when it could not be started. */
  pid: number | undefined;
  stdin: Writable;
  stdout: Readable;
  /** The last 64 KiB of standard error so far. */
  stderr(): string;
  /**
   * The exit code, 128 + signal number when a signal ended it. Rejects with a Failure when the program cannot be
   * started, and with the signal's reason, once it has ended, when the signal aborted it.
   */
  exited: Promise<number>;
}

const stderrKept = 64 * 1024;
const graceMs = 10_000;

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

/** Starts a program with an argument vector, never through a shell. */
export function startProgram(program: string, args: readonly string[], options: StartOptions = {}): StartedProgram {
  options.signal?.throwIfAborted();
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: options.ownGroup ?? false,
  });
  let stderr = '';
  const lines = options.onStderrLine && lineSplitter(options.onStderrLine);
  child.stderr.on('data', (chunk: Buffer) => {
    lines?.push(chunk);
    stderr = (stderr + chunk.toString('utf8')).slice(-stderrKept);
  });
  // A program that ends without reading its input closes the pipe: its exit code tells, not EPIPE.
  child.stdin.on('error', () => {});

  let killer: NodeJS.Timeout | undefined;
  const kill = (name: NodeJS.Signals) => {
    if (!options.ownGroup || child.pid === undefined) return child.kill(name);
    try {
      return process.kill(-child.pid, name);
    } catch {
      return false; // All of it has ended.
    }
  };
  const abort = () => {
    kill('SIGTERM');
    // Whoever reads its output may have stopped doing so; the pipe must not keep it from ending.
    child.stdout.resume();
    killer = setTimeout(() => kill('SIGKILL'), graceMs);
  };
  options.signal?.addEventListener('abort', abort, { once: true });
  const exited = new Promise<number>((resolve, reject) => {
    const settle = () => {
      options.signal?.removeEventListener('abort', abort);
      clearTimeout(killer);
      lines?.end();
    };
    child.on('error', (error: NodeJS.ErrnoException) => {
      settle();
      reject(cannotStart(program, error));
    });
    child.on('close', (code, signal) => {
      settle();
      if (options.signal?.aborted) reject(options.signal.reason);
      else resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
  // Whoever awaits it sees the error; one who gave up on a stream before must not bring the process down.
  exited.catch(() => {});
  return { pid: child.pid, stdin: child.stdin, stdout: child.stdout, stderr: () => stderr, exited };
}
