import { closeSync, ftruncateSync, openSync, rmSync } from 'node:fs';
import { readAll, writeAll, type RandomAccess } from '../source-spool.ts';

/** What members unpack to, in a temporary file. */
export class InflatedSpool implements RandomAccess {
  readonly #path: string;
  readonly #file: number;
  readonly place: { path: string; start: number };
  size = 0;

  constructor(path: string) {
    this.#path = path;
    this.#file = openSync(path, 'wx+', 0o600);
    this.place = { path, start: 0 };
  }

  /** Returns where the bytes stand. */
  add(bytes: Buffer): number {
    const start = this.size;
    writeAll(this.#file, bytes, start);
    this.size += bytes.length;
    return start;
  }

  /** Forgets what was added from there on. */
  cutTo(size: number): void {
    this.size = size;
    ftruncateSync(this.#file, size);
  }

  read(position: number, length: number, into: Uint8Array): void {
    readAll(this.#file, into, length, position);
  }

  /** Closes and removes the file. */
  close(): void {
    closeSync(this.#file);
    rmSync(this.#path, { force: true });
  }
}
