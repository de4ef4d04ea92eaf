import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { findProgram } from './apt.ts';

export interface Daemon {
  pid: number;
  /** True until the program has ended. */
  running(): boolean;
  /** SIGTERM, and SIGKILL after `graceMs` milliseconds. Returns when the program has ended. */
  stop(graceMs?: number): Promise<void>;
  /** The last lines that it wrote. */
  lastLines(count?: number): string;
}

export interface DaemonOptions {
  env: NodeJS.ProcessEnv;
  /** File that takes both outputs. */
  log: string;
  /** Whether it outlives this process; else the kernel ends it when this process dies, however that happens. */
  keep: boolean;
}

export function startDaemon(program: string, args: readonly string[], options: DaemonOptions): Daemon {
  const log = openSync(options.log, 'a');
  const tied = !options.keep && findProgram('setpriv') !== undefined;
  const [command, vector] = tied ? ['setpriv', ['--pdeathsig', 'TERM', '--', program, ...args]] : [program, [...args]];
  // A group of its own: Ctrl-C at the terminal reaches us, and we stop our daemons in their order.
  const child = spawn(command, vector, { env: options.env, stdio: ['ignore', log, log], detached: true });
  closeSync(log);
  child.unref();
  let running = true;
  const ended = new Promise<void>((resolve) => {
    const end = () => {
      running = false;
      resolve();
    };
    child.on('exit', end);
    child.on('error', end);
  });
  return {
    pid: child.pid ?? -1,
    running: () => running,
    lastLines(count = 10) {
      return readFileSync(options.log, 'utf8').trim().split('\n').slice(-count).join('\n');
    },
    async stop(graceMs = 20_000) {
      if (!running) return;
      child.ref();
      child.kill('SIGTERM');
      const timer = new AbortController();
      await Promise.race([ended, sleep(graceMs, undefined, { signal: timer.signal }).catch(() => {})]);
      timer.abort();
      if (running) child.kill('SIGKILL');
      await ended;
    },
  };
}
