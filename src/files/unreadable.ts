import { Failure } from '../failure.ts';

/** For errors of the file system on a file of the user that is to be read; anything else comes back as it was. */
export function unreadable(name: string, error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return fileChanged(name, 'it vanished while it was packed');
  if (code === 'ELOOP') return fileChanged(name, 'a symbolic link took its place');
  if (error instanceof Failure || code === undefined) return error;
  const denied = code === 'EACCES' || code === 'EPERM';
  return new Failure({
    doing: `reading ${name}`,
    because: denied ? 'this user may not read it' : message,
    fix: denied ? 'give this user the right to read it' : 'see the cause above',
    cause: error,
  });
}

export function fileChanged(name: string, because: string): Failure {
  return new Failure({ doing: `reading ${name}`, because, fix: 'run it again when nothing writes to the file' });
}

/** Not there is undefined; not readable is an error, or something would be left out silently. */
export function missingOrThrow(name: string): (error: unknown) => undefined {
  return (error) => {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw unreadable(name, error);
  };
}
