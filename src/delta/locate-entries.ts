import { createHash } from 'node:crypto';
import { readTar, type TarEntry } from '../tar/extract.ts';
import { padding } from '../tar/header.ts';
import type { EntryTap } from './packages/package-lists.ts';

/** Where an entry of a filesystem layer's tar lies, in bytes from the tar's start, and what is in it. */
export interface LocatedEntry {
  /** In the image's tree; the name as it stands for one that would leave it. */
  path: string;
  type: TarEntry['header']['type'];
  /** Where its first header begins, pax and long names included. */
  start: number;
  /** Padding of the entry before, which ends at `start`. */
  before: number;
  contentStart: number;
  /** Of the contents as stored. */
  size: number;
  /** sha256 of the contents, hex; '' where there are none. */
  hash: string;
  /** As the last header says, or pax records: seconds. */
  mtime: number;
  /** A regular file whose contents are stored as they are. */
  plain: boolean;
}

/**
 * The parts of an entry's name, or undefined for one that leaves the tree. Sources are named by these parts joined by
 * '/', on both sides.
 */
export function pathParts(name: string): string[] | undefined {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  return parts.length === 0 || parts.includes('..') || name.includes('\0') ? undefined : parts;
}

/** Whether the bytes in the archive are the bytes of the file, so that it can be read from an extracted tree. */
export function isPlainFile(entry: TarEntry): boolean {
  return (entry.header.type === 'file' || entry.header.type === 'contiguous-file') && !entry.sparse;
}

/** Where contents and their padding end. */
export function endOf({ contentStart, size }: LocatedEntry): number {
  return contentStart + size + padding(size);
}

/** Goes through a tar to its last entry, hashing contents, which `tap` may look at. What follows that is left in the stream. */
export async function* locateEntries(
  tar: AsyncIterable<Uint8Array>,
  tap?: EntryTap,
): AsyncGenerator<{ entry: LocatedEntry; parts: string[] | undefined }, void, undefined> {
  let before = 0;
  for await (const entry of readTar(tar)) {
    const parts = pathParts(entry.header.name);
    let hash = '';
    const { size, type, mtime } = entry.header;
    const plain = isPlainFile(entry);
    const path = parts?.join('/') ?? entry.header.name;
    const onContents = parts && tap?.(path, plain, size);
    if (size > 0) {
      const hasher = createHash('sha256');
      for await (const chunk of entry.contents()) {
        hasher.update(chunk);
        onContents?.(chunk);
      }
      hash = hasher.digest('hex');
    }
    const { start, contentStart } = entry;
    const where = { start, before, contentStart, size };
    yield { entry: { path, type, ...where, hash, mtime, plain }, parts };
    before = padding(size);
  }
}
