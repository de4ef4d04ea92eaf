import { createHash, hash as digest, type Hash } from 'node:crypto';
import type { TarEntry } from '../tar/extract.ts';
import { padding } from '../tar/header.ts';
import { TarScanner } from '../tar/scan.ts';
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
  /** sha256 of the contents, a character for each byte; '' where there are none. */
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

/** The path of a name in the tree, or undefined for one that leaves it. */
function pathOf(name: string): string | undefined {
  return unusual.test(name) ? pathParts(name)?.join('/') : name;
}

/** An empty part, `.`, `..` or NUL. */
const unusual = /(?:^|\/)\.{0,2}(?:\/|$)|\0/;

/** What is told of each entry, once its contents came; `isInTree`: whether its name stays in the tree. */
type OnEntry = (entry: LocatedEntry, isInTree: boolean) => void;

/** Finds the entries of a tar as its bytes come, and hashes contents, which `tap` may look at. */
export function entryLocator(onEntry: OnEntry, tap?: EntryTap): TarScanner {
  let before = 0;
  let found: TarEntry;
  let path: string | undefined;
  let hash = '';
  let hasher: Hash | undefined;
  let onContents: ReturnType<EntryTap>;
  return new TarScanner({
    begin(entry) {
      found = entry;
      const { name, size } = entry.header;
      path = pathOf(name);
      hash = '';
      hasher = undefined;
      onContents = path === undefined ? undefined : tap?.(path, isPlainFile(entry), size);
    },
    contents(chunk) {
      onContents?.(chunk);
      // Most files come as a whole.
      if (chunk.length === found.header.size) hash = digest('sha256', chunk, 'binary');
      else (hasher ??= createHash('sha256')).update(chunk);
    },
    end() {
      const { start, contentStart, header } = found;
      const { name, size, type, mtime } = header;
      if (hasher !== undefined) hash = hasher.digest('binary');
      const plain = isPlainFile(found);
      onEntry({ path: path ?? name, type, start, before, contentStart, size, hash, mtime, plain }, path !== undefined);
      before = padding(size);
    },
  });
}

/** Goes through a tar and what follows its end. */
export async function locateEntries(tar: AsyncIterable<Buffer>, onEntry: OnEntry, tap?: EntryTap): Promise<void> {
  const locator = entryLocator(onEntry, tap);
  for await (const chunk of tar) locator.push(chunk);
  locator.end();
}
