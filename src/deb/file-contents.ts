import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { fileChanged, unreadable } from '../files/unreadable.ts';
import type { TarContents } from '../tar/pack.ts';
import { stampOf, type FileEntry, type FileSource, type FileStamp } from './entry.ts';

/**
 * Opens what an entry of a package holds and hashes it while it is read; `onMd5` gets the hex digest of the whole.
 * A file on disk must be the one that was looked at when the package was laid out: a Failure says how it differs.
 */
export async function openContents(
  entry: FileEntry,
  onBytes: (count: number) => void,
  onMd5: (hex: string) => void,
): Promise<TarContents> {
  const md5 = createHash('md5');
  const source = entry.source.from === 'bytes' ? memoryContents(entry.source.bytes) : await diskContents(entry.source);
  return {
    async read(into) {
      const count = await source.read(into);
      md5.update(into.subarray(0, count));
      onBytes(count);
      return count;
    },
    async finish() {
      await source.finish();
      onMd5(md5.digest('hex'));
    },
    close: () => source.close(),
  };
}

export const md5OfNothing = createHash('md5').digest('hex');

function memoryContents(bytes: Buffer): TarContents {
  let at = 0;
  return {
    async read(into) {
      const count = bytes.copy(into, 0, at);
      at += count;
      return count;
    },
    async finish() {},
    async close() {},
  };
}

async function diskContents(source: Extract<FileSource, { from: 'disk' }>): Promise<TarContents> {
  const handle = await openDisk(source);
  return {
    async read(into) {
      const { bytesRead } = await handle.read(into, 0, into.length, null);
      if (bytesRead === 0) throw fileChanged(source.name, 'it became shorter while it was packed');
      return bytesRead;
    },
    finish: () => requireUnchanged(handle, source),
    close: () => handle.close(),
  };
}

async function openDisk(source: Extract<FileSource, { from: 'disk' }>): Promise<FileHandle> {
  const handle = await open(source.path, constants.O_RDONLY | constants.O_NOFOLLOW).catch((error: unknown) => {
    throw unreadable(source.name, error);
  });
  try {
    await requireUnchanged(handle, source);
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function requireUnchanged(handle: FileHandle, source: { name: string; stamp: FileStamp }): Promise<void> {
  const before = source.stamp;
  const now = stampOf(await handle.stat({ bigint: true }));
  if (now.device !== before.device || now.inode !== before.inode)
    throw fileChanged(source.name, 'another file took its place');
  if (now.size > before.size) throw fileChanged(source.name, 'it became longer while it was packed');
  if (now.size < before.size) throw fileChanged(source.name, 'it became shorter while it was packed');
  if (now.modified !== before.modified || now.changed !== before.changed) {
    throw fileChanged(source.name, 'it was written to while it was packed');
  }
}
