import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { Failure } from '../failure.ts';
import { readTar } from '../tar/extract.ts';
import { isPlainFile, pathParts } from './locate-entries.ts';

/** Bytes that are read at any place. */
export interface RandomAccess {
  size: number;
  /** Exactly `length` bytes from `position` on, into `into` from its start. */
  read(position: number, length: number, into: Uint8Array): void;
  /** Where they lie on disk, one after the other, if they do: for other threads. */
  place?: { path: string; start: number };
}

/** A part of it. The caller knows that it lies within. */
export function partOf(file: RandomAccess, start: number, size: number): RandomAccess {
  const read: RandomAccess['read'] = (position, length, into) => file.read(start + position, length, into);
  const { place } = file;
  return { size, read, ...(place && { place: { path: place.path, start: place.start + start } }) };
}

/** Files of the old image by path: those that a delta reads from. */
export interface SourceFiles {
  file(path: string): RandomAccess | undefined;
}

type Spooled =
  | { kind: 'file'; start: number; size: number }
  /** A hard link to what that path is in the same filesystem layer. */
  | { kind: 'link'; target: string };

/** A chain of hard links that is longer leads in a circle. */
const linkLimit = 64;

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
  /** By path, then by filesystem layer: a link means what its target was there, whatever a higher one made of it. */
  readonly #entries = new Map<string, Map<number, Spooled>>();
  #pending = new Map<string, Spooled>();

  constructor(wanted: ReadonlySet<string>, path: string) {
    this.#wanted = wanted;
    this.#path = path;
    this.#file = openSync(path, 'wx+', 0o600);
  }

  /** Reads one uncompressed layer tar to its end; what it gave counts once `commit` says which layer it was. */
  async add(tar: AsyncIterable<Buffer>): Promise<void> {
    this.#pending = new Map();
    for await (const entry of readTar(tar)) {
      const path = pathParts(entry.header.name)?.join('/');
      if (path === undefined || !this.#wanted.has(path)) continue;
      if (entry.header.type === 'link') {
        const target = pathParts(entry.header.linkName)?.join('/');
        if (target !== undefined) this.#pending.set(path, { kind: 'link', target });
      }
      if (!isPlainFile(entry)) continue;
      const start = this.#end;
      for await (const chunk of entry.contents()) {
        writeAll(this.#file, chunk, this.#end);
        this.#end += chunk.length;
      }
      this.#pending.set(path, { kind: 'file', start, size: entry.header.size });
    }
  }

  /** `layer`: its place in the image, 0 at the bottom. */
  commit(layer: number): void {
    for (const [path, spooled] of this.#pending) {
      const layers = this.#entries.get(path) ?? new Map<number, Spooled>();
      this.#entries.set(path, layers.set(layer, spooled));
    }
    this.#pending = new Map();
  }

  /** What wanted hard links link to: to be wanted too, in another pass. */
  linkTargets(): string[] {
    const targets = [...this.#wanted].flatMap((path) => {
      const end = this.#resolve(path);
      return typeof end === 'string' && !this.#wanted.has(end) ? [end] : [];
    });
    return [...new Set(targets)];
  }

  file(path: string): RandomAccess | undefined {
    const found = this.#resolve(path);
    if (typeof found === 'string') return undefined;
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

  /** The file that a path is, or the path at which what is known ends. */
  #resolve(path: string): (Spooled & { kind: 'file' }) | string {
    let at = path;
    let highest = Infinity;
    for (let hops = 0; hops < linkLimit; hops++) {
      const layers = this.#entries.get(at);
      const layer = Math.max(...(layers?.keys() ?? []).filter((each) => each <= highest));
      const found = layers?.get(layer);
      if (found?.kind !== 'link') return found ?? at;
      [at, highest] = [found.target, layer];
    }
    return at;
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
