import { Failure } from '../failure.ts';

/** A full or failing disk as a Failure that names the place; anything else as it came. */
export function diskFailure(doing: string, place: string, error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  const because: Record<string, string> = {
    ENOSPC: `there is no space left in ${place}`,
    EDQUOT: `the quota of ${place} is used up`,
    EROFS: `${place} cannot be written`,
    EACCES: `this user may not write in ${place}`,
    EIO: `the disk of ${place} reports an error`,
  };
  if (error instanceof Failure || code === undefined || because[code] === undefined) return error;
  return new Failure({ doing, because: because[code], fix: 'free some space, or use another folder', cause: error });
}
