import { createReadStream, statSync } from 'node:fs';
import { constants, copyFile, link, mkdir, open, rename, rm, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Writable, addAbortSignal, pipeline as pipe, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { syncFolder, syncReadable, temporaryName, writeDurably } from '../files/durable-write.ts';
import type { BrokenContent } from '../oci/broken-content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { hexOf, type Digest } from '../oci/digest.ts';
import { verifying } from '../oci/verify.ts';
import { fileFailure } from './file-failure.ts';
import type { BlobSource } from './layer-store.ts';

const readAhead = 1024 * 1024;

/**
 * The blobs of an image layout (image-layout.md, "blobs"): files that are named by their digests and come whole, by
 * rename. Throws what the file system says; wrong bytes are told by the given errors.
 */
export class BlobFolder {
  /** Absolute. */
  readonly path: string;
  /** Where files are written before they get their names; on the same file system. */
  readonly ingest: string;

  constructor(layout: string) {
    this.path = join(layout, 'blobs', 'sha256');
    this.ingest = join(layout, '.ingest');
  }

  file(digest: Digest): string {
    return join(this.path, hexOf(digest));
  }

  /** Why a blob cannot be right, as far as its file's size tells without reading it. */
  fault(blob: Pick<Descriptor, 'digest' | 'size'>): string | undefined {
    const file = this.file(blob.digest);
    const size = sizeOf(file);
    if (size === undefined) return `${file} is missing`;
    return size === blob.size ? undefined : `${file} has ${size} bytes instead of ${blob.size}`;
  }

  /** A stream that fails before its end when the bytes are wrong. */
  async open(
    blob: Pick<Descriptor, 'digest' | 'size'>,
    broken: (because: string) => BrokenContent,
    signal: AbortSignal | undefined,
  ): Promise<Readable> {
    const path = this.file(blob.digest);
    const file = await open(path, 'r');
    const source = file.createReadStream({ highWaterMark: readAhead });
    const checked = verifying(blob, (because) => broken(`${path} is damaged: ${because}`));
    pipe(source, checked, () => {});
    if (signal !== undefined) addAbortSignal(signal, checked);
    return checked;
  }

  async make(): Promise<void> {
    for (const folder of [this.path, this.ingest]) await mkdir(folder, { recursive: true });
  }

  /** Linked, cloned or streamed; checked in each case. The folders must be there. */
  async put(blob: BlobSource, wrong: (because: string) => Error, signal: AbortSignal | undefined): Promise<void> {
    const path = this.file(blob.digest);
    if (blob.file !== undefined && (await this.#adopt(blob, blob.file, path, wrong, signal))) return;
    await writeDurably(this.ingest, path, async (handle) => {
      const sink = new Writable({
        highWaterMark: readAhead,
        write(chunk: Uint8Array, _encoding, done) {
          handle.writeFile(chunk).then(() => done(), done);
        },
      });
      await pipeline(blob.open(), verifying(blob, wrong), sink, aborting(signal));
    });
  }

  /** What is about to be named again is young again: `sweep` spares it. */
  async renew(digest: Digest): Promise<void> {
    const path = this.file(digest);
    try {
      await utimes(path, new Date(), new Date());
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
      // Where several users share the folder, only its owner may set a file's time: a copy of one's own takes its place.
      await this.make();
      await writeDurably(this.ingest, path, (_handle, temporary) =>
        copyFile(path, temporary, constants.COPYFILE_FICLONE),
      );
    }
  }

  /** Takes a damaged blob out of the way. One that is whole after all, because somebody saved it meanwhile, stays. */
  async remove(digest: Digest): Promise<void> {
    const path = this.file(digest);
    const before = await stat(path).catch(() => undefined);
    if (before === undefined) return;
    const checked = verifying({ digest, size: before.size }, (because) => new RangeError(because));
    const whole = await pipeline(createReadStream(path), checked, nowhere()).then(
      () => true,
      () => false,
    );
    if (whole || (await stat(path).catch(() => undefined))?.ino !== before.ino) return;
    await rm(path, { force: true });
    await syncFolder(this.path);
  }

  /** A clone of the file (reflink), or the file itself under a second name where its owner gives it away. */
  async #adopt(
    blob: BlobSource,
    file: string,
    path: string,
    wrong: (because: string) => Error,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const temporary = temporaryName(this.ingest);
    try {
      await copyFile(file, temporary, constants.COPYFILE_FICLONE_FORCE).catch((error: unknown) => {
        if (blob.disposable !== true) throw error;
        return rm(temporary, { force: true }).then(() => link(file, temporary));
      });
    } catch {
      await rm(temporary, { force: true });
      return false;
    }
    try {
      const bytes = createReadStream(temporary, { highWaterMark: readAhead });
      await pipeline(bytes, verifying(blob, wrong), nowhere(), aborting(signal));
      // Where it is the owner's file under a second name, nobody may write to it.
      await syncReadable(temporary);
      await rename(temporary, path);
      await utimes(path, new Date(), new Date());
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    await syncFolder(dirname(path));
    return true;
  }
}

/** Synchronous, as is the reading of manifests: a plan asks for hundreds, and the thread pool costs ten times as much. */
export function sizeOf(path: string): number | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })?.size;
  } catch (error) {
    throw fileFailure(`reading ${path}`, error);
  }
}

function nowhere(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() });
}

function aborting(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}
