import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { Failure } from '../failure.ts';
import { readTar } from '../tar/extract.ts';
import { isPlainFile, pathParts } from './old-tree.ts';

/** Bytes that are read at any place. */
export interface RandomAccess {
  size: number;
  /** Exactly `length` bytes from `position` on, into `into` from its start. */
  read(position: number, length: number, into: Uint8Array): void;
}

/** Files of the old image by path: those that a delta reads from. */
export interface SourceFiles {
  file(path: string): RandomAccess | undefined;
}

interface Spooled {
  layer: number;
  start: number;
  size: number;
}

/**
 * Old files that were asked for, in one temporary file. Filesystem layers may come in any order (an engine's archive
 * has its own): of several files with one path, that of the highest filesystem layer counts. Disk: the sizes of the
 * files asked for; memory: their paths.
 */
export class SourceSpool implements SourceFiles {
  readonly #wanted: ReadonlySet<string>;
  readonly #path: string;
  readonly #file: number;
  #end = 0;
  readonly #files = new Map<string, Spooled>();
  /** Wanted paths that are hard links, and what they link to in the same filesystem layer. */
  readonly #links = new Map<string, { layer: number; target: string }>();
  #pending: { path: string; start: number; size: number }[] = [];
  #pendingLinks: { path: string; target: string }[] = [];

  constructor(wanted: ReadonlySet<string>, path: string) {
    this.#wanted = wanted;
    this.#path = path;
    this.#file = openSync(path, 'wx+', 0o600);
  }

  /** Reads one uncompressed layer tar to its end; what it gave counts once `commit` says which layer it was. */
  async add(tar: AsyncIterable<Buffer>): Promise<void> {
    this.#pending = [];
    this.#pendingLinks = [];
    for await (const entry of readTar(tar)) {
      const path = pathParts(entry.header.name)?.join('/');
      if (path === undefined || !this.#wanted.has(path)) continue;
      if (entry.header.type === 'link') {
        const target = pathParts(entry.header.linkName)?.join('/');
        if (target !== undefined) this.#pendingLinks.push({ path, target });
      }
      if (!isPlainFile(entry)) continue;
      const start = this.#end;
      for await (const chunk of entry.contents()) {
        writeAll(this.#file, chunk, this.#end);
        this.#end += chunk.length;
      }
      this.#pending.push({ path, start, size: entry.header.size });
    }
  }

  /** `layer`: its place in the image, 0 at the bottom. */
  commit(layer: number): void {
    for (const { path, start, size } of this.#pending) {
      const known = this.#files.get(path);
      if (known === undefined || known.layer <= layer) this.#files.set(path, { layer, start, size });
      // A later regular file replaces a link of the same filesystem layer or of one below.
      const link = this.#links.get(path);
      if (link !== undefined && link.layer <= layer) this.#links.delete(path);
    }
    for (const { path, target } of this.#pendingLinks) {
      const known = this.#files.get(path);
      const link = this.#links.get(path);
      if ((known?.layer ?? -1) > layer || (link?.layer ?? -1) > layer) continue;
      this.#files.delete(path);
      this.#links.set(path, { layer, target });
    }
    this.#pending = [];
    this.#pendingLinks = [];
  }

  /** Wanted paths that no committed filesystem layer has. */
  missing(): string[] {
    return [...this.#wanted].filter((path) => this.#find(path) === undefined);
  }

  /** What wanted hard links link to: to be wanted too, in another pass. */
  linkTargets(): string[] {
    return [...this.#links.values()].map((link) => link.target).filter((target) => !this.#wanted.has(target));
  }

  file(path: string): RandomAccess | undefined {
    const found = this.#find(path);
    if (found === undefined) return undefined;
    return {
      size: found.size,
      read: (position, length, into) => {
        if (position < 0 || length < 0 || position + length > found.size) {
          throw new RangeError(`a read at ${position} of ${length} bytes in a file of ${found.size}`);
        }
        readAll(this.#file, into, length, found.start + position);
      },
    };
  }

  /** Closes and removes the file. */
  close(): void {
    closeSync(this.#file);
    rmSync(this.#path, { force: true });
  }

  #find(path: string): Spooled | undefined {
    const found = this.#files.get(path);
    if (found !== undefined) return found;
    const link = this.#links.get(path);
    return link === undefined ? undefined : this.#files.get(link.target);
  }
}

export function readAll(file: number, into: Uint8Array, length: number, position: number): void {
  for (let got = 0; got < length;) {
    const read = readSync(file, into, got, length - got, position + got);
    if (read === 0) {
      throw new Failure({
        doing: 'reading a temporary file',
        because: 'it is shorter than what was written',
        fix: 'run it again, with nothing that cleans the temporary folder meanwhile',
      });
    }
    got += read;
  }
}

export function writeAll(file: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length;) {
    done += writeSync(file, bytes, done, bytes.length - done, position + done);
  }
}
