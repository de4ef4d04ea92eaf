import { createHash } from 'node:crypto';
import { lstat, mkdir, mkdtemp, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../failure.ts';
import { syncFolder, syncReadable } from '../files/durable-write.ts';
import { FileHashes } from '../files/file-hashes.ts';
import { silent, type Progress } from '../progress.ts';
import { withFolderLock } from '../store/folder-lock.ts';

/** Milliseconds. When a file was used last is known to the day, whatever the file system notes of reading. */
const aDay = 86_400_000;

/** A file of the cache. Nobody writes to it. */
export interface CachedFile {
  /** Absolute. */
  file: string;
  /** In bytes. */
  size: number;
  sha256: string;
}

export interface Obtain {
  /** 64 hex digits. */
  sha256: string;
  /** Where it comes from, as the user wrote it: a source that never gave these bytes is asked for them, even if they are here. */
  source: string;
  /** As messages call it. */
  name: string;
  /**
   * Fills the file at `partial`, which may hold what an earlier call left, with bytes of that sum. `held`: the cache
   * has such bytes, from another source.
   */
  fill(partial: string, held: boolean): Promise<unknown>;
  progress: Progress;
  signal?: AbortSignal | undefined;
}

/**
 * Keeps what was fetched for machines that have no cache of their own. It never throws: what it does not have, or cannot
 * give, is fetched.
 */
export interface FileKeeper {
  /** Puts the file where its cache has it. `key`: 64 hex digits, of the sum and of the source that gave it. */
  restore(key: string, path: string, name: string): Promise<boolean>;
  /** Told of each file that was fetched. */
  fetched(key: string, path: string): void;
}

/**
 * Files by their sha256, for all checkouts of a user. Several processes may use it at once: what one fetches the others
 * wait for. It may be removed at any time when nobody uses it.
 *
 * `blobs/sha256/HEX` the files; `partial/HEX` what is on its way; `sources/HEX` marks of which source gave which sum;
 * `results/HEX.json` what commands made; `locks/`; `hashes` the sums of the files that were last checked.
 */
export class BlobCache {
  readonly folder: string;
  readonly #keeper: FileKeeper | undefined;
  #hashes: FileHashes | undefined;

  constructor(folder: string, keeper?: FileKeeper) {
    this.folder = folder;
    this.#keeper = keeper;
  }

  pathOf(sha256: string): string {
    return join(this.folder, 'blobs/sha256', sha256);
  }

  /** The file, checked: by its size and times where it was read before, else by reading it. A damaged one is removed. */
  async find(sha256: string, progress: Progress = silent, signal?: AbortSignal): Promise<CachedFile | undefined> {
    const file = this.pathOf(sha256);
    const stats = await lstat(file).catch(() => undefined);
    if (stats === undefined) return undefined;
    const hashes = this.hashes();
    const found = await hashes.of(file, `the cached ${sha256.slice(0, 12)}`, progress, signal);
    if (found.sha256 === sha256) {
      if (Date.now() - stats.atimeMs > aDay) await utimes(file, new Date(), stats.mtime).catch(() => {});
      // Nobody writes to it, so there is no later change to miss.
      await hashes.remember(file, sha256);
      return { file, ...found };
    }
    progress.warn(`${file} is damaged and is fetched again`);
    await rm(file, { force: true });
    return undefined;
  }

  /** The file, from the cache where that source gave it before, else by `fill`. */
  async obtain(request: Obtain): Promise<CachedFile> {
    const { sha256, source, name, progress, signal } = request;
    const lock = {
      patience: Infinity,
      signal,
      onWait: (pid: number) => progress.note(`${name}: waiting for process ${pid}, which fetches the same`),
    };
    return this.#guard(name, () =>
      withFolderLock(
        join(this.folder, 'locks', sha256),
        async () => {
          const found = await this.find(sha256, progress, signal);
          const key = markOf(source, sha256);
          const mark = join(this.folder, 'sources', key);
          const given = await lstat(mark).then(
            () => true,
            () => false,
          );
          if (found !== undefined && given) return found;
          for (const folder of ['blobs/sha256', 'partial', 'sources']) {
            await mkdir(join(this.folder, folder), { recursive: true });
          }
          if (found === undefined && (await this.#keeper?.restore(key, this.pathOf(sha256), name)) === true) {
            signal?.throwIfAborted();
            const restored = await this.find(sha256, progress, signal);
            if (restored !== undefined) {
              await writeFile(mark, '');
              return restored;
            }
          }
          const partial = join(this.folder, 'partial', sha256);
          await request.fill(partial, found !== undefined);
          const cached = await this.#publish(partial, sha256);
          await writeFile(mark, '');
          this.#keeper?.fetched(key, cached.file);
          return cached;
        },
        lock,
      ),
    );
  }

  /** Where something may be made that is then adopted; the caller removes it. */
  async workFolder(): Promise<string> {
    const parent = join(this.folder, 'work');
    await mkdir(parent, { recursive: true });
    return mkdtemp(join(parent, `${process.pid}-`));
  }

  /** Takes a finished file over, whose sum is known to be that. */
  async adopt(file: string, sha256: string): Promise<CachedFile> {
    await mkdir(join(this.folder, 'blobs/sha256'), { recursive: true });
    return this.#publish(file, sha256);
  }

  /** The sums of files that were read, here and elsewhere on this machine. */
  hashes(): FileHashes {
    return (this.#hashes ??= new FileHashes(join(this.folder, 'hashes')));
  }

  async save(): Promise<void> {
    await this.#hashes?.save();
  }

  async #publish(file: string, sha256: string): Promise<CachedFile> {
    const path = this.pathOf(sha256);
    await syncReadable(file);
    await rename(file, path);
    await syncFolder(join(this.folder, 'blobs/sha256'));
    await rm(`${file}.json`, { force: true });
    this.hashes().remember(path, sha256);
    return { file: path, size: (await lstat(path)).size, sha256 };
  }

  async #guard<T>(name: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const { code, syscall, message } = error as NodeJS.ErrnoException;
      if (error instanceof Failure || code === undefined || syscall === undefined) throw error;
      const full = code === 'ENOSPC' || code === 'EDQUOT';
      throw new Failure({
        doing: `keeping ${name} in ${this.folder}`,
        because: full ? 'the disk is full' : message,
        fix: full
          ? 'make room there; what has come so far is kept'
          : 'name a folder that can be written as XDG_CACHE_HOME',
        cause: error,
      });
    }
  }
}

function markOf(source: string, sha256: string): string {
  return createHash('sha256').update(`${sha256}\n${source}`).digest('hex');
}
