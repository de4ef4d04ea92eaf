import { createHash, type Hash } from 'node:crypto';
import { open, readFile, statfs, writeFile, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../failure.ts';
import type { Progress } from '../progress.ts';
import { RegistryError, redacted } from '../registry/error.ts';
import { backoff, defaultRetry, type RetryPolicy } from '../registry/retry.ts';
import { parseContentRange } from './content-range.ts';
import { get, type HttpAnswer, type HttpOptions } from './http.ts';

export interface Download {
  url: string;
  /** 64 hex digits that the whole must have. */
  sha256: string;
  /** Absolute. What an earlier call left there is gone on with; when it fails or is stopped, what has come stays. */
  partial: string;
  /** As progress calls it. */
  name: string;
  progress: Progress;
  signal?: AbortSignal | undefined;
  retry?: RetryPolicy;
  http?: HttpOptions;
  /** The error for a whole file that has another sum: `found` in hex, and its size in bytes. */
  wrongSum(found: string, size: number): Failure;
}

/**
 * Brings a file of a web server to `partial`, whole, synced and with its sum; returns its size in bytes. Goes on by Range
 * after a cut and after an earlier call. A server's word on lengths and ranges is checked, and only the sum is believed:
 * when bytes of several answers do not have it together, the file is fetched once more in one piece. Memory: one chunk.
 */
export async function downloadFile(download: Download): Promise<number> {
  const file = await PartialFile.open(download);
  try {
    await new Attempts(download, file).run();
    await file.handle.sync();
    return file.size;
  } finally {
    await file.handle.close();
  }
}

/** What has come so far, with the running sum of it. */
class PartialFile {
  readonly handle: FileHandle;
  readonly #path: string;
  readonly #url: string;
  /** In bytes. */
  size = 0;
  #hash: Hash = createHash('sha256');
  /** Whether the bytes come from more than one answer. */
  mixed = false;
  /** A strong ETag or a date, for If-Range. */
  validator: string | undefined;

  private constructor(handle: FileHandle, path: string, url: string) {
    this.handle = handle;
    this.#path = path;
    this.#url = url;
  }

  static async open({ partial: path, url, ...rest }: Download): Promise<PartialFile> {
    const handle = await open(path, 'a+', 0o600).then(async (made) => {
      await made.close();
      return open(path, 'r+');
    });
    try {
      const file = new PartialFile(handle, path, url);
      await file.#readOn(rest);
      return file;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  async #readOn({ name, progress, signal }: Pick<Download, 'name' | 'progress' | 'signal'>): Promise<void> {
    const { size } = await this.handle.stat();
    if (size === 0) return;
    const transfer = progress.transfer(`reading what is here of ${name}`, size);
    const buffer = Buffer.allocUnsafeSlow(1024 * 1024);
    try {
      for (;;) {
        signal?.throwIfAborted();
        const { bytesRead } = await this.handle.read(buffer, 0, buffer.length, this.size);
        if (bytesRead === 0) break;
        this.#hash.update(buffer.subarray(0, bytesRead));
        this.size += bytesRead;
        transfer.add(bytesRead);
      }
    } finally {
      transfer.end();
    }
    this.mixed = true;
    try {
      const note = JSON.parse(await readFile(`${this.#path}.json`, 'utf8')) as { url?: unknown; validator?: unknown };
      if (note.url === this.#url && typeof note.validator === 'string') this.validator = note.validator;
    } catch {
      // Without it the sum alone tells whether the parts belong together.
    }
  }

  async began(validator: string | undefined): Promise<void> {
    this.validator = validator;
    await writeFile(`${this.#path}.json`, JSON.stringify({ url: this.#url, validator }), { mode: 0o600 });
  }

  async append(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length;) {
      const { bytesWritten } = await this.handle.write(chunk, at, chunk.length - at, this.size + at);
      at += bytesWritten;
    }
    this.#hash.update(chunk);
    this.size += chunk.length;
  }

  async restart(): Promise<void> {
    await this.handle.truncate(0);
    this.size = 0;
    this.#hash = createHash('sha256');
    this.mixed = false;
    this.validator = undefined;
  }

  sum(): string {
    return this.#hash.copy().digest('hex');
  }
}

/** A server whose answers make no file together may be asked for all of it so often. */
const mostRestarts = 20;

/** The answers that it takes, one after the other. */
class Attempts {
  readonly #download: Download;
  readonly #file: PartialFile;
  readonly #retry: RetryPolicy;
  readonly #url: URL;
  #transfer: ReturnType<Progress['transfer']> | undefined;
  /** As the server says; undefined while it does not. */
  #total: number | undefined;
  #restarts = 0;
  #current: HttpAnswer | undefined;

  constructor(download: Download, file: PartialFile) {
    this.#download = download;
    this.#file = file;
    this.#retry = download.retry ?? defaultRetry;
    this.#url = new URL(download.url);
  }

  async run(): Promise<void> {
    const { signal, progress, name, sha256 } = this.#download;
    const file = this.#file;
    let furthest = 0;
    let fruitless = 0;
    let inOnePiece = false;
    if (file.size > 0) {
      if (file.sum() === sha256) return;
      progress.note(`${name}: ${file.size} bytes are here from before, going on after them`);
    }
    try {
      for (;;) {
        signal?.throwIfAborted();
        let ended: 'whole' | 'more';
        try {
          ended = await this.#answer();
        } catch (error) {
          if (!(error instanceof RegistryError)) throw error;
          fruitless = file.size > furthest ? 0 : fruitless + 1;
          furthest = Math.max(furthest, file.size);
          if (!error.temporary || fruitless >= this.#retry.attempts) throw this.#failed(error);
          if ((error.retryAfter ?? 0) > this.#retry.patience) throw this.#failed(error);
          await sleep(error.retryAfter ?? (fruitless === 0 ? 0 : backoff(this.#retry, fruitless)), undefined, {
            signal,
          });
          continue;
        }
        if (ended === 'more') continue;
        if (file.sum() === sha256) return;
        // What a server calls the end may be none: the rest is asked for before its file is called a wrong one.
        if (await this.#hasMore()) continue;
        const { mixed, size } = file;
        const found = file.sum();
        await this.#restart();
        if (!mixed || inOnePiece) throw this.#download.wrongSum(found, size);
        inOnePiece = true;
      }
    } finally {
      this.#transfer?.end();
      this.#current?.body.discard();
    }
  }

  /** One answer, appended. `whole`: as far as the server says nothing is missing. */
  async #answer(): Promise<'whole' | 'more'> {
    const file = this.#file;
    const asked = file.size;
    const answer = await this.#get(asked);
    if (answer.status === 416) {
      answer.body.discard();
      const range = parseContentRange(answer.header('content-range'));
      if (range?.kind !== 'unsatisfied' || range.total === asked) return 'whole';
      await this.#restart();
      return 'more';
    }
    let skip = 0;
    let promised: number | undefined;
    const validator = validatorOf(answer);
    if (answer.status === 206) {
      const range = parseContentRange(answer.header('content-range'));
      const changed = asked > 0 && file.validator !== undefined && validator !== file.validator;
      if (range?.kind !== 'range' || range.first > asked || changed) {
        answer.body.discard();
        if (asked === 0) throw this.#nonsense(answer, 'it answers with a range that nobody asked for');
        await this.#restart();
        return 'more';
      }
      skip = asked - range.first;
      promised = range.last - range.first + 1;
      // Of two lengths the later one: the sum of the whole tells who was right.
      this.#total = range.total;
    } else {
      // It knows no ranges, or the file is another one now.
      if (asked > 0) await this.#restart();
      this.#total = lengthOf(answer);
    }
    await this.#room();
    if (file.size > 0) file.mixed = true;
    if (file.size === 0 || file.validator === undefined) await file.began(validator);
    await this.#append(answer, skip, promised);
    return this.#total !== undefined && file.size < this.#total ? 'more' : 'whole';
  }

  async #append(answer: HttpAnswer, skipped: number, promised: number | undefined): Promise<void> {
    const { progress, name, signal } = this.#download;
    const file = this.#file;
    this.#transfer ??= progress.transfer(
      `fetching ${name}`,
      this.#total === undefined ? undefined : this.#total - file.size,
    );
    let skip = skipped;
    let left = promised ?? Infinity;
    const before = file.size;
    try {
      for await (const chunk of answer.body) {
        // More than the range that was promised belongs to nothing.
        const part = chunk.subarray(0, Math.min(chunk.length, left));
        left -= part.length;
        const fresh = part.subarray(Math.min(skip, part.length));
        skip -= part.length - fresh.length;
        if (fresh.length > 0) {
          await file.append(fresh);
          this.#transfer.add(fresh.length);
        }
        if (left === 0) break;
      }
    } catch (cause) {
      signal?.throwIfAborted();
      if (isFileError(cause)) throw diskFailure(this.#download, cause);
      throw new RegistryError({ method: 'GET', url: answer.url, cause });
    }
    const missing = this.#total !== undefined && file.size < this.#total;
    if (missing && file.size === before) throw this.#nonsense(answer, 'it ends before it begins', true);
  }

  /** Asks for what may come after the end that the server told. Appends it where there is something. */
  async #hasMore(): Promise<boolean> {
    const file = this.#file;
    const before = file.size;
    let answer: HttpAnswer;
    try {
      answer = await this.#get(before);
    } catch (error) {
      if (error instanceof RegistryError) return false;
      throw error;
    }
    const range = parseContentRange(answer.header('content-range'));
    if (answer.status !== 206 || range?.kind !== 'range' || range.first !== before) {
      answer.body.discard();
      return false;
    }
    this.#total = range.total;
    file.mixed = true;
    try {
      await this.#append(answer, 0, range.last - range.first + 1);
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
    }
    return file.size > before;
  }

  async #get(from: number): Promise<HttpAnswer> {
    const headers: Record<string, string> = {};
    if (from > 0) {
      headers['range'] = `bytes=${from}-`;
      if (this.#file.validator !== undefined) headers['if-range'] = this.#file.validator;
    }
    const { http = {}, signal } = this.#download;
    const answer = await get(this.#url, headers, from > 0 ? [200, 206, 416] : [200, 206], http, signal);
    this.#current = answer;
    const coding = answer.header('content-encoding') ?? 'identity';
    if (coding === 'identity') return answer;
    answer.body.discard();
    throw this.#nonsense(answer, `it sends the file in the coding ${coding}, and was asked not to`);
  }

  async #restart(): Promise<void> {
    if (++this.#restarts > mostRestarts) {
      const text = 'its answers contradict each other, and never make a whole file';
      throw new RegistryError({ method: 'GET', url: this.#url, text });
    }
    await this.#file.restart();
    this.#total = undefined;
    this.#transfer?.end();
    this.#transfer = undefined;
  }

  async #room(): Promise<void> {
    if (this.#total === undefined) return;
    const needed = this.#total - this.#file.size;
    const folder = dirname(this.#download.partial);
    const { bavail, bsize } = await statfs(folder);
    if (bavail * bsize >= needed) return;
    throw new Failure({
      doing: this.#doing,
      because: `${needed} more bytes come, and ${folder} has room for ${bavail * bsize}`,
      fix: 'make room there; what has come so far is kept',
    });
  }

  get #doing(): string {
    return `fetching ${redacted(this.#url)}`;
  }

  #nonsense(answer: HttpAnswer, text: string, temporary = false): RegistryError {
    answer.body.discard();
    return new RegistryError({ method: 'GET', url: answer.url, text, temporary });
  }

  #failed(error: RegistryError): Failure {
    const { size } = this.#file;
    return new Failure({ doing: this.#doing, because: error.message, fix: fixFor(error, size), cause: error });
  }
}

function fixFor(error: RegistryError, size: number): string {
  const { host } = error;
  const kept = size > 0 ? `; it goes on after the ${size} bytes that are here` : '';
  if (error.missing || error.status === 410) return `see where ${host} has the file now, and write that as its url:`;
  if (error.denied)
    return `imgbuild logs in nowhere for a url: fetch it yourself and write path: FILE, or serve it without a login`;
  if (error.temporary) return `${host} has trouble: run it again later${kept}`;
  if (error.status === undefined) return `see that ${host} can be reached from here, then run it again${kept}`;
  return `see what ${host} says above`;
}

/** RFC 9110, 13.1.5: If-Range takes no weak ETag. */
function validatorOf(answer: HttpAnswer): string | undefined {
  const tag = answer.header('etag');
  if (tag !== undefined) return /^"[^"]*"$/.test(tag) ? tag : undefined;
  return answer.header('last-modified');
}

function lengthOf(answer: HttpAnswer): number | undefined {
  const text = answer.header('content-length') ?? '';
  const length = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(length) ? length : undefined;
}

function isFileError(error: unknown): error is NodeJS.ErrnoException {
  const { syscall } = error as NodeJS.ErrnoException;
  return syscall === 'write' || syscall === 'ftruncate';
}

function diskFailure({ name, partial }: Download, error: NodeJS.ErrnoException): Failure {
  const full = error.code === 'ENOSPC' || error.code === 'EDQUOT';
  return new Failure({
    doing: `writing ${name} to ${dirname(partial)}`,
    because: full ? 'the disk is full' : error.message,
    fix: full ? 'make room there; what has come so far is kept' : 'see the cause above, then run it again',
    cause: error,
  });
}
