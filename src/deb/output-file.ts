import { access, constants, type FileHandle } from 'node:fs/promises';
import { Failure } from '../failure.ts';
import { replaceFile } from '../files/durable-write.ts';
import { makeFolder } from '../files/make-folder.ts';
import { startHasher } from './hasher.ts';

/** A file that is written from front to end, of which some bytes that are known only later are put in afterwards. */
export interface OutputFile {
  /** Bytes so far. */
  readonly size: number;
  append(bytes: Uint8Array): Promise<void>;
  /** Writes over bytes that are there already. */
  patch(offset: number, bytes: Uint8Array): Promise<void>;
}

/**
 * Puts a file under `path` whole or not at all: `fill` writes under a temporary name beside it; the file is
 * read once for its sha256 (hex), synced, and renamed. `sha256Of`: who does that.
 */
export async function writeWhole(
  path: string,
  fill: (file: OutputFile) => Promise<void>,
  sha256Of: (path: string) => Promise<string> = startHasher(0).sha256,
): Promise<{ size: number; sha256: string }> {
  let written = { size: 0, sha256: '' };
  try {
    await replaceFile(path, async (handle, temporary) => {
      const file = outputFile(handle);
      await fill(file);
      written = { size: file.size, sha256: await sha256Of(temporary) };
    });
    return written;
  } catch (error) {
    throw outputFailure(path, error);
  }
}

function outputFile(handle: FileHandle): OutputFile {
  let size = 0;
  const writeAt = async (offset: number, bytes: Uint8Array) => {
    for (let at = 0; at < bytes.length;) {
      const { bytesWritten } = await handle.write(bytes, at, bytes.length - at, offset + at);
      at += bytesWritten;
    }
  };
  return {
    get size() {
      return size;
    },
    async append(bytes) {
      const offset = size;
      size += bytes.length;
      await writeAt(offset, bytes);
    },
    patch: writeAt,
  };
}

/**
 * Makes a folder for what is written, with those above it, and returns the first that was not there. Throws a Failure
 * where it cannot be made or written to.
 */
export async function makeOutputFolder(path: string): Promise<string | undefined> {
  try {
    const made = await makeFolder(path);
    await access(path, constants.W_OK | constants.X_OK);
    return made;
  } catch (error) {
    throw outputFailure(path, error);
  }
}

/** The Failure for an error of the file system on what is written; anything else is returned as it came. */
export function outputFailure(path: string, error: unknown): unknown {
  const { code, message, syscall } = error as NodeJS.ErrnoException;
  if (error instanceof Failure || code === undefined || syscall === undefined) return error;
  const room = 'free some space, or choose another folder with -o';
  const other = 'choose another folder with -o';
  const known: Record<string, [string, string]> = {
    ENOSPC: ['the disk is full', room],
    EDQUOT: ['the disk quota is used up', room],
    EACCES: ['no right to write there', other],
    EROFS: ['the file system is read-only', other],
    EEXIST: ['a file is in the way', other],
    ENOTDIR: ['a file is in the way', other],
    EISDIR: ['a folder is in the way', other],
    ENOENT: ['no folder can be made there', other],
  };
  const [because, fix] = known[code] ?? [message, other];
  return new Failure({ doing: `writing ${path}`, because, fix, cause: error });
}
