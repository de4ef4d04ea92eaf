import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Failure } from '../failure.ts';

/** A program that turns bytes into other bytes, as `xz` does. */
export interface Filter {
  /** Resolves when the program has taken the chunk, which may then be reused. */
  write(chunk: Uint8Array): Promise<void>;
  /** Closes the program's input; resolves when all of its output has been handed on and it has exited with 0. */
  end(): Promise<void>;
  /** Ends the program at once, where something else has failed. */
  abort(): void;
}

/**
 * Starts a program between standard input and `onOutput`, which is awaited: a slow taker slows the program down.
 * Write and end throw a Failure when the program cannot be started, fails, or stops reading; or what `onOutput` threw.
 */
export function startFilter(
  program: string,
  args: readonly string[],
  onOutput: (chunk: Buffer) => Promise<void>,
  env: NodeJS.ProcessEnv = process.env,
): Filter {
  const child = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr = (stderr + chunk.toString('utf8')).slice(-4096)));
  child.stdin.on('error', () => {});

  const started = once(child, 'spawn').catch((error: NodeJS.ErrnoException) => {
    const missing = error.code === 'ENOENT';
    throw new Failure({
      doing: `starting ${program}`,
      because: missing ? 'there is no such program on PATH' : error.message,
      fix: missing ? `install ${program}; \`imgbuild doctor\` lists what is needed` : 'see the cause above',
      cause: error,
    });
  });
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const finished = (async () => {
    await started;
    try {
      for await (const chunk of child.stdout) await onOutput(chunk as Buffer);
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
    await closed;
    if (child.exitCode === 0) return;
    const how = child.signalCode === null ? `exit code ${child.exitCode}` : `ended by ${child.signalCode}`;
    const last = stderr.trim().split('\n').at(-1) ?? '';
    throw new Failure({
      doing: `running ${program} ${args.join(' ')}`,
      because: `${how}: ${last}`,
      fix: `mend what ${program} says, and run it again`,
    });
  })();
  // Write and end await it; where neither does any more, nobody must hear of it.
  finished.catch(() => {});

  return {
    async write(chunk) {
      await started;
      const taken = new Promise<void>((resolve, reject) => {
        child.stdin.write(chunk, (error) => (error ? reject(error) : resolve()));
      });
      // A program that fails stops reading: its own end tells more than EPIPE.
      await Promise.race([taken.catch(() => finished), finished]);
    },
    async end() {
      await started;
      child.stdin.end();
      await finished;
    },
    abort() {
      child.kill('SIGKILL');
    },
  };
}
