import { createHash, hash, randomBytes } from 'node:crypto';
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, type BigIntStats } from 'node:fs';
import { lstat, mkdir, open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Progress } from '../progress.ts';
import { replaceFile } from './durable-write.ts';
import { fileChanged, unreadable } from './unreadable.ts';

export interface FileHash {
  /** In bytes. */
  size: number;
  /** 64 hex digits. */
  sha256: string;
}

const header = 'imgbuild sha256 1';
/** Two buffers of this many bytes: one is read while the other is hashed. */
const bufferSize = 1024 * 1024;
/** Up to this size a way through the thread pool, and buffers of its own, take longer than the reading. */
const smallFile = 256 * 1024;
/** Coarse file systems stamp in steps of up to two seconds. */
const coarse = 2_000_000_000n;

/** What changes when a file changes. */
export type FileIdentity = Pick<BigIntStats, 'size' | 'mtimeNs' | 'ctimeNs' | 'ino' | 'dev'>;

function identityOf({ size, mtimeNs, ctimeNs, ino, dev }: FileIdentity): string {
  return `${size} ${mtimeNs} ${ctimeNs} ${ino} ${dev}`;
}

/**
 * Sums of files by sha256, each read once: a file counts as the same when its size, times (ns), inode and device are. One
 * that was changed as late as it was read is never remembered, since a further change might show in none of them.
 *
 * The file: a header line, a line for each file (JSON: path, identity, sum), and the sum of all that; one that is damaged
 * in any way counts as empty.
 */
export class FileHashes {
  readonly #file: string;
  /** What the file had, once it was asked for: it may name tens of thousands of others. */
  #kept: Promise<Map<string, Sum>> | undefined;
  /** What came since. */
  readonly #fresh = new Map<string, Sum>();
  /** For small files. */
  readonly #scratch = Buffer.allocUnsafeSlow(smallFile + 1);
  #now: bigint | undefined;

  /** `file` is absolute; it need not be there. */
  constructor(file: string) {
    this.#file = file;
  }

  /** The sum as it is remembered; undefined where the file must be read for it. Throws what lstat throws. */
  async known(path: string): Promise<FileHash | undefined> {
    // A way through the thread pool takes several times as long, and packages have tens of thousands of files.
    const stats = lstatSync(path, { bigint: true });
    const { identity, sha256 } = this.#fresh.get(path) ?? (await this.#load()).get(path) ?? {};
    if (sha256 === undefined || identity !== identityOf(stats)) return undefined;
    return { size: Number(stats.size), sha256 };
  }

  #load(): Promise<Map<string, Sum>> {
    return (this.#kept ??= readFile(this.#file, 'utf8').then(parse, () => new Map()));
  }

  /**
   * Reads the file unless it is known. `name` is what messages call it. Throws a Failure where it cannot be read, or
   * changes meanwhile.
   */
  async of(path: string, name: string, progress: Progress, signal?: AbortSignal): Promise<FileHash> {
    const known = await this.known(path).catch((error: unknown) => {
      throw unreadable(name, error);
    });
    if (known !== undefined) return known;
    await this.begin();
    try {
      signal?.throwIfAborted();
      const isSmall = lstatSync(path).size <= smallFile;
      const { stats, sha256 } = isSmall
        ? readSmall(path, name, this.#scratch)
        : await read(path, name, progress, signal);
      const after = lstatSync(path, { bigint: true });
      const size = Number(stats.size);
      if (identityOf(after) !== identityOf(stats)) throw fileChanged(name, 'it was written to while it was read');
      this.learn(path, stats, sha256);
      return { size, sha256 };
    } catch (error) {
      signal?.throwIfAborted();
      throw unreadable(name, error);
    }
  }

  /** Before the first file is read that `learn` is told of. */
  async begin(): Promise<void> {
    this.#now ??= await this.#readTime();
  }

  /** Remembers the sum of a file that somebody else has read since `begin`, and that was the same before and after. */
  learn(path: string, identity: FileIdentity, sha256: string): void {
    const late = (this.#now ?? 0n) - coarse;
    if (identity.mtimeNs < late && identity.ctimeNs < late) this.#put(path, identity, sha256);
  }

  /** Remembers the sum of a file that nobody writes any more. */
  async remember(path: string, sha256: string): Promise<void> {
    this.#put(path, await lstat(path, { bigint: true }), sha256);
  }

  /** Writes what is known, when there is anything new; that it can't be written is no error. */
  async save(): Promise<void> {
    if (this.#fresh.size === 0) return;
    const kept = await this.#load();
    for (const [path, sum] of this.#fresh) kept.set(path, sum);
    this.#fresh.clear();
    const lines = [header];
    for (const [path, { identity, sha256 }] of kept) {
      if (isThere(path)) lines.push(JSON.stringify([path, identity, sha256]));
    }
    const body = `${lines.join('\n')}\n`;
    const text = body + createHash('sha256').update(body).digest('hex');
    try {
      await mkdir(dirname(this.#file), { recursive: true });
      await replaceFile(this.#file, (file) => file.writeFile(text));
    } catch {
      // Without it the files are read anew the next time.
    }
  }

  #put(path: string, identity: FileIdentity, sha256: string): void {
    this.#fresh.set(path, { identity: identityOf(identity), sha256 });
  }

  /** The earlier one of this machine's time and that of the file system, which may be a server's; 0 keeps nothing. */
  async #readTime(): Promise<bigint> {
    const probe = `${this.#file}.${randomBytes(6).toString('hex')}`;
    try {
      await mkdir(dirname(probe), { recursive: true });
      await (await open(probe, 'wx')).close();
      const stamped = (await lstat(probe, { bigint: true })).mtimeNs;
      const here = BigInt(Date.now()) * 1_000_000n;
      return stamped < here ? stamped : here;
    } catch {
      return 0n;
    } finally {
      await rm(probe, { force: true }).catch(() => {});
    }
  }
}

interface Sum {
  identity: string;
  sha256: string;
}

function parse(text: string): Map<string, Sum> {
  const end = text.lastIndexOf('\n') + 1;
  const body = text.slice(0, end);
  const [first, ...lines] = body.split('\n').slice(0, -1);
  if (first !== header || createHash('sha256').update(body).digest('hex') !== text.slice(end)) return new Map();
  return new Map(
    lines.map((line) => {
      const [path, identity, sha256] = JSON.parse(line) as [string, string, string];
      return [path, { identity, sha256 }];
    }),
  );
}

function isThere(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
}

const openFlags = constants.O_RDONLY | constants.O_NOFOLLOW;

/** The stat data are those of the file that is open, when it was opened. */
function readSmall(path: string, name: string, into: Buffer): { stats: BigIntStats; sha256: string } {
  const descriptor = openSync(path, openFlags);
  try {
    const stats = fstatSync(descriptor, { bigint: true });
    let size = 0;
    for (let count = -1; count !== 0 && size < into.length; size += count) {
      count = readSync(descriptor, into, size, into.length - size, null);
    }
    if (BigInt(size) !== stats.size) throw fileChanged(name, 'it was written to while it was read');
    return { stats, sha256: hash('sha256', into.subarray(0, size)) };
  } finally {
    closeSync(descriptor);
  }
}

/** As readSmall, in pieces. */
async function read(
  path: string,
  name: string,
  progress: Progress,
  signal: AbortSignal | undefined,
): Promise<{ stats: BigIntStats; sha256: string }> {
  await using handle = await open(path, openFlags);
  const stats = await handle.stat({ bigint: true });
  const transfer = progress.transfer(`reading ${name}`, Number(stats.size));
  const sum = createHash('sha256');
  const buffers = [Buffer.allocUnsafeSlow(bufferSize), Buffer.allocUnsafeSlow(bufferSize)] as const;
  let size = 0;
  try {
    let next = handle.read(buffers[0], 0, bufferSize, null);
    for (let turn = 0; ; turn = 1 - turn) {
      const { bytesRead } = await next;
      signal?.throwIfAborted();
      if (bytesRead === 0) break;
      next = handle.read(buffers[(1 - turn) as 0 | 1], 0, bufferSize, null);
      // Whoever leaves this loop early must not hear of it.
      next.catch(() => {});
      sum.update(buffers[turn as 0 | 1].subarray(0, bytesRead));
      size += bytesRead;
      transfer.add(bytesRead);
    }
  } finally {
    transfer.end();
  }
  if (BigInt(size) !== stats.size) throw fileChanged(name, 'it was written to while it was read');
  return { stats, sha256: sum.digest('hex') };
}
