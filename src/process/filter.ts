import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { Failure } from '../failure.ts';
import { cannotStart } from './cannot-start.ts';

/** A program that turns bytes into other bytes, as `xz` does. */
export interface Filter {
  /** Resolves when the program has taken the chunk, which may then be reused. */
  write(chunk: Uint8Array): Promise<void>;
  /** Closes the program's input; resolves when all of its output is where it goes and it has exited with 0. */
  end(): Promise<void>;
  /** Ends the program at once, where something else has failed. */
  abort(): void;
}

/**
 * Starts a program between standard input and `output`: a descriptor that it writes to by itself, or a function that is
 * awaited, so that a slow taker slows the program down. Write and end throw a Failure when the program cannot be started,
 * fails, or stops reading; or what `output` threw.
 */
export function startFilter(
  program: string,
  args: readonly string[],
  output: number | ((chunk: Buffer) => Promise<void>),
  env: NodeJS.ProcessEnv = process.env,
): Filter {
  const child = spawn(program, args, { env, stdio: ['pipe', typeof output === 'number' ? output : 'pipe', 'pipe'] });
  const { stdin, stdout, stderr: messages } = child as typeof child & { stdin: Writable; stderr: Readable };
  let stderr = '';
  messages.on('data', (chunk: Buffer) => (stderr = (stderr + chunk.toString('utf8')).slice(-4096)));
  stdin.on('error', () => {});

  const started = once(child, 'spawn').catch((error: NodeJS.ErrnoException) => {
    throw cannotStart(program, error);
  });
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const finished = (async () => {
    await started;
    try {
      if (typeof output !== 'number') for await (const chunk of stdout!) await output(chunk as Buffer);
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
        stdin.write(chunk, (error) => (error ? reject(error) : resolve()));
      });
      // A program that fails stops reading: its own end tells more than EPIPE.
      await Promise.race([taken.catch(() => finished), finished]);
    },
    async end() {
      await started;
      stdin.end();
      await finished;
    },
    abort() {
      child.kill('SIGKILL');
    },
  };
}
