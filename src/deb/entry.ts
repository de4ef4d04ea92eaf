import type { BigIntStats } from 'node:fs';
import type { Owner } from './owner.ts';

/** One path of a package, without a slash in front: `opt/ccai/docker_image`. */
export type PackageEntry = DirectoryEntry | SymlinkEntry | FileEntry;

export interface DirectoryEntry {
  type: 'directory';
  path: string;
  /** Permission bits, setuid and its like among them. */
  mode: number;
  /** root where absent. */
  owner?: Owner;
}

export interface SymlinkEntry {
  type: 'symlink';
  path: string;
  target: string;
}

export interface FileEntry {
  type: 'file';
  path: string;
  mode: number;
  /** root where absent. */
  owner?: Owner;
  /** Bytes. */
  size: number;
  source: FileSource;
}

/** `disk`: `path` is absolute, `name` is how messages call it. */
export type FileSource =
  | { from: 'bytes'; bytes: Buffer }
  | { from: 'disk'; path: string; name: string; stamp: FileStamp };

export type FileOnDisk = Extract<FileSource, { from: 'disk' }>;

/** What changes when a file changes. */
export interface FileStamp {
  device: bigint;
  inode: bigint;
  size: bigint;
  modified: bigint;
  changed: bigint;
}

export function stampOf(stats: BigIntStats): FileStamp {
  const { dev, ino, size, mtimeNs, ctimeNs } = stats;
  return { device: dev, inode: ino, size, modified: mtimeNs, changed: ctimeNs };
}

/** A file whose contents we make. */
export function textFile(path: string, text: string | Buffer, mode = 0o644): FileEntry {
  const bytes = Buffer.from(text);
  return { type: 'file', path, mode, size: bytes.length, source: { from: 'bytes', bytes } };
}

/** In byte order, with folders directly before what they hold, as in a walk. */
export function inOrder<T extends { path: string }>(entries: readonly T[]): T[] {
  return entries.toSorted((a, b) => comparePaths(a.path, b.path));
}

/** What is read from a disk is nearly in order: comparing takes less than making keys of tens of thousands of paths. */
function comparePaths(a: string, b: string): number {
  const shorter = Math.min(a.length, b.length);
  for (let at = 0; at < shorter; at++) {
    const difference = rankAt(a, at) - rankAt(b, at);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

const slash = 0x2f;

/** Ranks code units as the bytes of UTF-8, where surrogates come after all else; the end of a folder's name comes first. */
function rankAt(path: string, at: number): number {
  const unit = path.charCodeAt(at);
  if (unit === slash) return 0;
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

/** Sorts, and adds an entry for every parent: dpkg creates no folder that is not in the archive. */
export function withParents(entries: readonly PackageEntry[]): PackageEntry[] {
  const byPath = new Map(entries.map((entry) => [entry.path, entry]));
  const complete = new Set<string>();
  for (const { path } of entries) {
    for (let slashAt = path.lastIndexOf('/'); slashAt > 0; slashAt = path.lastIndexOf('/', slashAt - 1)) {
      const parent = path.slice(0, slashAt);
      if (complete.has(parent)) break;
      complete.add(parent);
      if (!byPath.has(parent)) byPath.set(parent, { type: 'directory', path: parent, mode: 0o755 });
    }
  }
  return inOrder([...byPath.values()]);
}

/** Files below /etc: dpkg keeps what the administrator made of them (debian-policy 10.7). */
export function conffiles(entries: readonly PackageEntry[]): string[] {
  return entries.filter(({ type, path }) => type === 'file' && path.startsWith('etc/')).map(({ path }) => `/${path}`);
}
