import { createHash, randomBytes } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { open, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFile } from '../files/durable-write.ts';
import { makeStateFolder } from './state-folder.ts';

const header = 'imgbuild hashes 1\n';
const mostBytes = 64 * 1024 * 1024;
const checksumBytes = 20;

/** What must be the same for a file's bytes to be taken as the same. */
function keyOf(stats: BigIntStats): string {
  return `${stats.size} ${stats.mtimeNs} ${stats.ctimeNs} ${stats.ino}`;
}

/**
 * Remembers the content hashes of files that git has no answer for, so that a second plan doesn't read them again.
 * A file counts as the same when path, size, mtime, ctime (ns) and inode are; as git does with its index, a file that
 * was changed as late as it was hashed is never remembered, since a further change might show in none of them.
 *
 * The file: a header line; per entry `size mtime ctime inode hash path`, NUL-ended; the SHA-1 of all that, 20 bytes.
 * A file that is damaged in any way counts as empty.
 */
export class HashCache {
  readonly #root: string;
  readonly #file: string;
  readonly #known = new Map<string, string>();
  readonly #used = new Map<string, string>();
  #changed = false;
  #begun: Promise<void> | undefined;
  /** The file system's own time when the first file was hashed, ns; 0 when nothing can be kept. */
  #now = 0n;

  private constructor(root: string) {
    this.#root = root;
    this.#file = join(root, '.imgbuild/cache/hashes');
  }

  /** The cache of the tree at `root`, in its `.imgbuild/cache`. */
  static async open(root: string): Promise<HashCache> {
    const cache = new HashCache(root);
    let bytes: Buffer;
    try {
      bytes = await readFile(cache.#file);
    } catch {
      return cache;
    }
    const body = bytes.subarray(0, Math.max(0, bytes.length - checksumBytes));
    const sum = createHash('sha1').update(body).digest();
    if (!sum.equals(bytes.subarray(body.length)) || body.toString('latin1', 0, header.length) !== header) return cache;
    for (let from = header.length, at = body.indexOf(0, from); at >= 0; from = at + 1, at = body.indexOf(0, from)) {
      const entry = body.toString('utf8', from, at);
      // size, mtime, ctime, inode: four spaces; then the hash, then the path, which may hold spaces itself.
      let cut = -1;
      for (let field = 0; field < 4; field++) cut = entry.indexOf(' ', cut + 1);
      cache.#known.set(entry.slice(cut + 42), entry.slice(0, cut + 41));
    }
    return cache;
  }

  /** The hash of a file whose stat data are these, when it is known. */
  get(path: string, stats: BigIntStats): string | undefined {
    const entry = this.#known.get(path);
    const key = keyOf(stats);
    if (entry === undefined || entry.length !== key.length + 41 || !entry.startsWith(key)) return undefined;
    this.#used.set(path, entry);
    return entry.slice(-40);
  }

  /** To be awaited before files are read whose hashes are to be remembered. */
  begin(): Promise<void> {
    return (this.#begun ??= this.#readTime());
  }

  /** The time as this file system stamps it: a server's clock may be another than this machine's. */
  async #readTime(): Promise<void> {
    const probe = `${this.#file}.${randomBytes(6).toString('hex')}`;
    try {
      await makeStateFolder(this.#root, 'cache');
      await (await open(probe, 'wx')).close();
      this.#now = (await stat(probe, { bigint: true })).mtimeNs;
    } catch {
      // A folder that can't be written keeps nothing.
    } finally {
      await rm(probe, { force: true });
    }
  }

  put(path: string, stats: BigIntStats, hash: string): void {
    // Coarse file systems stamp in steps of up to two seconds.
    const limit = this.#now - 2_000_000_000n;
    if (stats.mtimeNs >= limit || stats.ctimeNs >= limit) return;
    this.#used.set(path, `${keyOf(stats)} ${hash}`);
    this.#changed = true;
  }

  /** Writes what is known, when there is anything new; that it can't be written is no error. */
  async save(): Promise<void> {
    if (!this.#changed) return;
    this.#changed = false;
    const sum = createHash('sha1');
    const parts: Buffer[] = [];
    let size = 0;
    const add = (text: string): boolean => {
      const bytes = Buffer.from(text);
      if (size + bytes.length > mostBytes) return false;
      size += bytes.length;
      sum.update(bytes);
      parts.push(bytes);
      return true;
    };
    add(header);
    let whole = true;
    for (const [path, entry] of this.#used) whole &&= add(`${entry} ${path}\0`);
    for (const [path, entry] of this.#known) if (!this.#used.has(path)) whole &&= add(`${entry} ${path}\0`);
    parts.push(sum.digest());
    try {
      await makeStateFolder(this.#root, 'cache');
      await replaceFile(this.#file, (file) => file.writeFile(Buffer.concat(parts)));
    } catch {
      // Without it the files are read anew the next time.
    }
  }
}
