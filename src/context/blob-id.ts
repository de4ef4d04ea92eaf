import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { BigIntStats } from 'node:fs';

/** The id of no bytes at all that an empty folder is listed with. */
export const noId = '0'.repeat(40);

/** git's id of a blob with these bytes: SHA-1, 40 hex digits (https://git-scm.com/book/en/v2/Git-Internals-Git-Objects). */
export function blobId(bytes: Uint8Array): string {
  return createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
}

const smallFile = 256 * 1024;
const pieceBytes = 1024 * 1024;
// O_NONBLOCK: a FIFO that has taken a file's place since it was listed must not make the open wait.
const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

export interface FileId {
  hash: string;
  /** Of the open file, before its bytes were read. */
  stats: BigIntStats;
  /** The file's bytes were the same before and after the reading, as far as its times tell. */
  steady: boolean;
}

const same = (a: BigIntStats, b: BigIntStats): boolean =>
  a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs;

const piece = Buffer.allocUnsafe(smallFile);

/** Reads a file of at most 256 KiB in one go; undefined when it is larger, or changes its size meanwhile. */
export function smallFileId(path: string): FileId | undefined {
  const file = openSync(path, flags);
  try {
    const stats = fstatSync(file, { bigint: true });
    if (!stats.isFile()) throw new Error('it is no file any more');
    if (stats.size > smallFile) return undefined;
    const size = Number(stats.size);
    let length = 0;
    for (let read = -1; read !== 0 && length < size; length += read) {
      read = readSync(file, piece, length, size - length, null);
    }
    if (length !== size) return undefined;
    // Bytes that were added meanwhile show in the size.
    const steady = same(stats, fstatSync(file, { bigint: true }));
    return { hash: blobId(piece.subarray(0, length)), stats, steady };
  } finally {
    closeSync(file);
  }
}

/** Reads a file of any size in pieces of 1 MiB. Throws when its size changes each time it is read. */
export async function fileId(path: string, signal?: AbortSignal): Promise<FileId> {
  const file = await open(path, flags);
  try {
    const buffer = Buffer.allocUnsafe(pieceBytes);
    for (let attempt = 0; attempt < 3; attempt++) {
      const stats = await file.stat({ bigint: true });
      if (!stats.isFile()) throw new Error('it is no file any more');
      const hash = createHash('sha1').update(`blob ${stats.size}\0`);
      let length = 0;
      for (;;) {
        signal?.throwIfAborted();
        const { bytesRead } = await file.read(buffer, 0, buffer.length, length);
        if (bytesRead === 0) break;
        hash.update(buffer.subarray(0, bytesRead));
        length += bytesRead;
      }
      if (BigInt(length) !== stats.size) continue;
      return { hash: hash.digest('hex'), stats, steady: same(stats, await file.stat({ bigint: true })) };
    }
    throw new Error('its size changes while it is read');
  } finally {
    await file.close();
  }
}
