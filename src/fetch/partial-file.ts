import { createHash, type Hash } from 'node:crypto';
import { open, readFile, writeFile, type FileHandle } from 'node:fs/promises';
import type { Progress } from '../progress.ts';

/** Bytes that may wait for the disk. */
const most = 1024 * 1024;

export interface OpenPartial {
  /** As progress calls it. */
  name: string;
  /** Where its bytes come from: validators of another address count for nothing. */
  url: string;
  progress: Progress;
  signal?: AbortSignal | undefined;
}

/**
 * What has come so far of a file, with the running sum of it, and beside it (`.json`) what tells whether a server still has
 * the same. One write is on its way while the next bytes come and are summed up; what came meanwhile is the next write.
 */
export class PartialFile {
  readonly #handle: FileHandle;
  readonly #path: string;
  readonly #url: string;
  /** In bytes; those that wait to be written among them. */
  size = 0;
  #hash: Hash = createHash('sha256');
  #waiting: Uint8Array[] = [];
  #waitingSize = 0;
  #written = 0;
  #writing: Promise<void> | undefined;
  #failed: { error: unknown } | undefined;
  /** Whether the bytes come from more than one answer. */
  mixed = false;
  /** A strong ETag or a date, for If-Range. */
  validator: string | undefined;

  private constructor(handle: FileHandle, path: string, url: string) {
    this.#handle = handle;
    this.#path = path;
    this.#url = url;
  }

  /** Goes on with what is at `path`, which is made where there is nothing. */
  static async open(path: string, options: OpenPartial): Promise<PartialFile> {
    const handle = await open(path, 'a+', 0o600).then(async (made) => {
      await made.close();
      return open(path, 'r+');
    });
    try {
      const file = new PartialFile(handle, path, options.url);
      await file.#readOn(options);
      return file;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  async #readOn({ name, progress, signal }: OpenPartial): Promise<void> {
    const { size } = await this.#handle.stat();
    if (size === 0) return;
    const transfer = progress.transfer(`reading what is here of ${name}`, size);
    const buffer = Buffer.allocUnsafeSlow(most);
    try {
      for (;;) {
        signal?.throwIfAborted();
        const { bytesRead } = await this.#handle.read(buffer, 0, buffer.length, this.size);
        if (bytesRead === 0) break;
        this.#hash.update(buffer.subarray(0, bytesRead));
        this.size += bytesRead;
        transfer.add(bytesRead);
      }
    } finally {
      transfer.end();
    }
    this.#written = this.size;
    this.mixed = true;
    try {
      const note = JSON.parse(await readFile(`${this.#path}.json`, 'utf8')) as { url?: unknown; validator?: unknown };
      if (note.url === this.#url && typeof note.validator === 'string') this.validator = note.validator;
    } catch {
      // Without it the sum alone tells whether the parts belong together.
    }
  }

  /** Its first answer has come. */
  async began(validator: string | undefined): Promise<void> {
    this.validator = validator;
    await writeFile(`${this.#path}.json`, JSON.stringify({ url: this.#url, validator }), { mode: 0o600 });
  }

  /** Takes the bytes over: nobody may change them afterwards. Throws what went wrong with earlier ones. */
  async append(chunk: Uint8Array): Promise<void> {
    this.#hash.update(chunk);
    this.size += chunk.length;
    this.#waiting.push(chunk);
    this.#waitingSize += chunk.length;
    this.#writing ??= this.#write();
    if (this.#waitingSize >= most || this.#failed !== undefined) await this.flush();
  }

  /** Everything that was appended is in the file when this returns. */
  async flush(): Promise<void> {
    await this.#writing;
    if (this.#failed !== undefined) throw this.#failed.error;
  }

  /** Until nothing waits. */
  async #write(): Promise<void> {
    try {
      while (this.#waitingSize > 0) {
        const chunks = this.#waiting;
        const length = this.#waitingSize;
        this.#waiting = [];
        this.#waitingSize = 0;
        await writeAll(this.#handle, chunks, this.#written, length);
        this.#written += length;
      }
    } catch (error) {
      this.#failed = { error };
    } finally {
      this.#writing = undefined;
    }
  }

  async restart(): Promise<void> {
    await this.flush();
    await this.#handle.truncate(0);
    this.size = 0;
    this.#written = 0;
    this.#hash = createHash('sha256');
    this.mixed = false;
    this.validator = undefined;
  }

  /** In hex, of all that came. */
  sum(): string {
    return this.#hash.copy().digest('hex');
  }

  async sync(): Promise<void> {
    await this.flush();
    await this.#handle.sync();
  }

  /** What waits is written where it can be: the next try goes on after it. */
  async close(): Promise<void> {
    await this.flush().catch(() => {});
    await this.#handle.close();
  }
}

/** A write may take less than it is given, on a full disk before the error that says so. */
async function writeAll(handle: FileHandle, chunks: Uint8Array[], position: number, length: number): Promise<void> {
  const { bytesWritten } = await handle.writev(chunks, position);
  if (bytesWritten === length) return;
  const rest = Buffer.concat(chunks).subarray(bytesWritten);
  for (let at = 0; at < rest.length;) {
    const written = await handle.write(rest, at, rest.length - at, position + bytesWritten + at);
    at += written.bytesWritten;
  }
}
