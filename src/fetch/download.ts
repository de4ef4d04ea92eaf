import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Failure } from '../failure.ts';
import type { Progress } from '../progress.ts';
import { RegistryError } from '../registry/error.ts';
import { backoff, defaultRetry, type RetryPolicy } from '../registry/retry.ts';
import { parseContentRange } from './content-range.ts';
import { downloadFailure, noRoom, writeFailure } from './download-failure.ts';
import { get, lengthOf, validatorOf, type HttpAnswer, type HttpOptions } from './http.ts';
import { PartialFile } from './partial-file.ts';

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
 * when bytes of several answers do not have it together, the file is fetched once more in one piece. Memory: three
 * MiB, on their way from the network to the disk.
 */
export async function downloadFile(download: Download): Promise<number> {
  const file = await PartialFile.open(download.partial, download);
  try {
    await new Attempts(download, file).run();
    await file.sync();
    return file.size;
  } finally {
    await file.close();
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
          if (!error.temporary || fruitless >= this.#retry.attempts) throw downloadFailure(this.#url, error, file.size);
          if ((error.retryAfter ?? 0) > this.#retry.patience) throw downloadFailure(this.#url, error, file.size);
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
      await file.flush();
    } catch (cause) {
      signal?.throwIfAborted();
      const failure = writeFailure(this.#download, cause);
      if (failure !== undefined) throw failure;
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
    throw noRoom(this.#url, folder, needed, bavail * bsize);
  }

  #nonsense(answer: HttpAnswer, text: string, temporary = false): RegistryError {
    answer.body.discard();
    return new RegistryError({ method: 'GET', url: answer.url, text, temporary });
  }
}
