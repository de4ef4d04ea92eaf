import { access, constants, open, type FileHandle } from 'node:fs/promises';
import { Failure } from '../failure.ts';
import { replaceFile } from '../files/durable-write.ts';
import { makeFolder } from '../files/make-folder.ts';
import { startHasher } from './hasher.ts';

/** A file that is written from front to end, of which some bytes that are known only later are put in afterwards. */
export interface OutputFile {
  /** Bytes so far. */
  readonly size: number;
  append(bytes: Uint8Array): Promise<void>;
  /** One after the other. */
  appendAll(parts: readonly Uint8Array[]): Promise<void>;
  /** A descriptor for a program that appends by itself; open until the file is whole. */
  openForProgram(): Promise<number>;
  /** Looks how large the file has become by a program. */
  measure(): Promise<void>;
  /** Writes over bytes that are there already. */
  patch(offset: number, bytes: Uint8Array): Promise<void>;
  /** Puts bytes in the place of `room` bytes, which are at least as many; what follows moves up to them. */
  replace(offset: number, room: number, bytes: Uint8Array): Promise<void>;
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
      await using appending = new AppendHandle(temporary);
      const file = outputFile(handle, appending);
      await fill(file);
      // It gets to the disk while it is read.
      const [sha256] = await Promise.all([sha256Of(temporary), file.sync()]);
      written = { size: file.size, sha256 };
    });
    return written;
  } catch (error) {
    throw outputFailure(path, error);
  }
}

/** Bytes at a time. */
const moved = 1024 * 1024;

/** Opened when it is asked for: writes go to where the file ends then. */
class AppendHandle implements AsyncDisposable {
  readonly #path: string;
  #handle: FileHandle | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  async descriptor(): Promise<number> {
    this.#handle ??= await open(this.#path, 'a');
    return this.#handle.fd;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle?.close();
  }
}

/** Bytes that are on their way to the disk while more are made. With none, the end would wait for all of them. */
const flushed = 128 * 1024 * 1024;

function outputFile(handle: FileHandle, appending: AppendHandle): OutputFile & { sync(): Promise<void> } {
  let size = 0;
  let unflushed = 0;
  let flushing = Promise.resolve();
  const flush = async (written: number) => {
    unflushed += written;
    if (unflushed < flushed) return;
    unflushed = 0;
    await flushing;
    flushing = handle.datasync();
    // Whoever awaits it is told.
    flushing.catch(() => {});
  };
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
      await flush(bytes.length);
    },
    async appendAll(parts) {
      const offset = size;
      for (const part of parts) size += part.length;
      const { bytesWritten } = await handle.writev(parts, offset);
      // What had no room at once, as on a full disk, goes on its own, where an error is told.
      if (offset + bytesWritten < size)
        await writeAt(offset + bytesWritten, Buffer.concat(parts).subarray(bytesWritten));
      await flush(size - offset);
    },
    openForProgram: () => appending.descriptor(),
    async measure() {
      size = (await handle.stat()).size;
    },
    patch: writeAt,
    async replace(offset, room, bytes) {
      const less = room - bytes.length;
      if (less < 0) throw new RangeError(`${bytes.length} bytes in the place of ${room}`);
      await writeAt(offset, bytes);
      if (less === 0) return;
      const buffer = Buffer.allocUnsafeSlow(Math.min(moved, size));
      for (let at = offset + room; at < size;) {
        const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
        if (bytesRead === 0) throw new Error('what was written is not there to be moved');
        await writeAt(at - less, buffer.subarray(0, bytesRead));
        at += bytesRead;
      }
      size -= less;
      await handle.truncate(size);
    },
    async sync() {
      await flushing;
      await handle.datasync();
    },
  };
}

/** What a program says whose output has no room; its language is C's. */
const programErrors: readonly [text: string, code: string][] = [
  ['No space left on device', 'ENOSPC'],
  ['Disk quota exceeded', 'EDQUOT'],
];

function codeOfProgram(error: unknown): string | undefined {
  if (!(error instanceof Failure)) return undefined;
  return programErrors.find(([text]) => error.because.includes(text))?.[1];
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
  const { code = codeOfProgram(error), message, syscall } = error as NodeJS.ErrnoException;
  if (code === undefined || (syscall === undefined && !(error instanceof Failure))) return error;
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
