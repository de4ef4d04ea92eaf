import { Failure } from '../failure.ts';

/** The Failure for an error of the file system; anything else is returned as it came. */
export function fileFailure(doing: string, error: unknown): unknown {
  if (error instanceof Failure || !(error instanceof Error)) return error;
  const { code, syscall, message } = error as NodeJS.ErrnoException;
  // Streams and aborts have codes too, and name no system call.
  if (code === undefined || syscall === undefined) return error;
  const known: Record<string, [string, string]> = {
    ENOSPC: [
      'the disk is full',
      'free some space (`imgbuild store gc` lists what no release needs), then run it again',
    ],
    EDQUOT: ['the disk quota is used up', 'free some space (`imgbuild store gc` lists what no release needs)'],
    EACCES: ['no right to do so', 'give this user the right to write there, or name another folder as `store:`'],
    EPERM: ['no right to do so', 'give this user the right to write there, or name another folder as `store:`'],
    EROFS: ['the file system is read-only', 'name a folder on another file system as `store:`'],
    EIO: ['the disk reports an error', 'check the disk; `imgbuild store verify` tells which blobs are damaged'],
  };
  const [because, fix] = known[code] ?? [message, 'see the cause above, then run it again'];
  return new Failure({ doing, because, fix, cause: error });
}
