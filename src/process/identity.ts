import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** Tells a process from every other that ever shared a folder with it. */
export interface ProcessIdentity {
  pid: number;
  /** Clock ticks after boot at which the process began: a pid that was given anew is another process. */
  started: string | null;
  /** Boot and pid namespace: only in the same one says the pid anything. */
  place: string;
}

let me: ProcessIdentity | undefined;

export function thisProcess(): ProcessIdentity {
  me ??= { pid: process.pid, started: startOf(process.pid), place: placeOf() };
  return me;
}

/** Whether a process of this place still runs; of another place nothing can be said here. */
export function isRunning({ pid, started }: Pick<ProcessIdentity, 'pid' | 'started'>): boolean {
  if (started !== null) return startOf(pid) === started;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Field 22 of /proc/PID/stat (proc(5)); the name in parentheses may hold spaces. A zombie has ended. */
function startOf(pid: number): string | null {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return fields[0] === 'Z' ? null : (fields[19] ?? null);
  } catch {
    return null;
  }
}

function placeOf(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${boot} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
}
