import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync, type BigIntStats } from 'node:fs';
import { open } from 'node:fs/promises';
import { fileChanged, unreadable } from '../files/unreadable.ts';
import type { TarContents } from '../tar/pack.ts';
import { stampOf, type FileEntry, type FileOnDisk, type FileStamp } from './entry.ts';

/**
 * Opens what an entry of a package holds. A file on disk must be the one that was looked at when the package was laid
 * out: a Failure says how it differs.
 */
export function openContents({ source }: FileEntry): TarContents | Promise<TarContents> {
  return source.from === 'bytes' ? memoryContents(source.bytes) : diskContents(source);
}

export const md5OfNothing = createHash('md5').digest('hex');

function memoryContents(bytes: Buffer): TarContents {
  let at = 0;
  return {
    read(into) {
      const count = bytes.copy(into, 0, at);
      at += count;
      return count;
    },
    finish() {},
    close() {},
  };
}

/** Up to this size a way through the thread pool takes longer than the reading. */
const smallFile = 256 * 1024;

function diskContents(source: FileOnDisk): TarContents | Promise<TarContents> {
  return source.stamp.size <= smallFile ? smallContents(source) : largeContents(source);
}

async function largeContents(source: FileOnDisk): Promise<TarContents> {
  const handle = await open(source.path, openFlags).catch((error: unknown) => {
    throw unreadable(source.name, error);
  });
  const requireSame = async () => requireUnchanged(await handle.stat({ bigint: true }), source);
  try {
    await requireSame();
  } catch (error) {
    await handle.close();
    throw error;
  }
  return {
    async read(into) {
      const { bytesRead } = await handle.read(into, 0, into.length, null);
      if (bytesRead === 0) throw fileChanged(source.name, 'it became shorter while it was packed');
      return bytesRead;
    },
    finish: requireSame,
    close: () => handle.close(),
  };
}

/** A link that took a file's place is not followed. */
const openFlags = constants.O_RDONLY | constants.O_NOFOLLOW;

function smallContents(source: FileOnDisk): TarContents {
  let descriptor: number;
  try {
    descriptor = openSync(source.path, openFlags);
  } catch (error) {
    throw unreadable(source.name, error);
  }
  const requireSame = () => requireUnchanged(fstatSync(descriptor, { bigint: true }), source);
  return {
    read(into) {
      const count = readSync(descriptor, into, 0, into.length, null);
      if (count > 0) return count;
      requireSame();
      throw fileChanged(source.name, 'it became shorter while it was packed');
    },
    // Once is enough: what was another file before shows in the same numbers.
    finish: requireSame,
    close: () => closeSync(descriptor),
  };
}

function requireUnchanged(stats: BigIntStats, source: { name: string; stamp: FileStamp }): void {
  const before = source.stamp;
  const now = stampOf(stats);
  if (now.device !== before.device || now.inode !== before.inode)
    throw fileChanged(source.name, 'another file took its place');
  if (now.size > before.size) throw fileChanged(source.name, 'it became longer while it was packed');
  if (now.size < before.size) throw fileChanged(source.name, 'it became shorter while it was packed');
  if (now.modified !== before.modified || now.changed !== before.changed) {
    throw fileChanged(source.name, 'it was written to while it was packed');
  }
}
