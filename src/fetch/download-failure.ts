import { dirname } from 'node:path';
import { Failure } from '../failure.ts';
import { redacted, type RegistryError } from '../registry/error.ts';

/** What the user is told when a server does not give a file. `size`: bytes that are here. */
export function downloadFailure(url: URL, error: RegistryError, size: number): Failure {
  return new Failure({ doing: doing(url), because: error.message, fix: fixFor(error, size), cause: error });
}

/** The disk has too little room for what a server is about to send. Sizes in bytes. */
export function noRoom(url: URL, folder: string, needed: number, free: number): Failure {
  return new Failure({
    doing: doing(url),
    because: `${needed} more bytes come, and ${folder} has room for ${free}`,
    fix: 'make room there; what has come so far is kept',
  });
}

/** Undefined for errors that do not come from writing the file. */
export function writeFailure(
  { name, partial }: { name: string; partial: string },
  error: unknown,
): Failure | undefined {
  const { syscall, code, message } = error as NodeJS.ErrnoException;
  if (syscall !== 'write' && syscall !== 'ftruncate') return undefined;
  const full = code === 'ENOSPC' || code === 'EDQUOT';
  return new Failure({
    doing: `writing ${name} to ${dirname(partial)}`,
    because: full ? 'the disk is full' : message,
    fix: full ? 'make room there; what has come so far is kept' : 'see the cause above, then run it again',
    cause: error,
  });
}

function doing(url: URL): string {
  return `fetching ${redacted(url)}`;
}

function fixFor(error: RegistryError, size: number): string {
  const { host } = error;
  const kept = size > 0 ? `; it goes on after the ${size} bytes that are here` : '';
  if (error.missing || error.status === 410) return `see where ${host} has the file now, and write that as its url:`;
  if (error.denied)
    return `imgbuild logs in nowhere for a url: fetch it yourself and write path: FILE, or serve it without a login`;
  if (error.temporary) return `${host} has trouble: run it again later${kept}`;
  if (error.status === undefined) return `see that ${host} can be reached from here, then run it again${kept}`;
  return `see what ${host} says above`;
}
