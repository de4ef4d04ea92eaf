import { createHash } from 'node:crypto';
import { open, readdir, rm, stat, type FileHandle } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { outputFailure } from '../deb/output-file.ts';
import { Failure, Failures } from '../failure.ts';
import type { Progress } from '../progress.ts';
import { assetLimit } from './file-names.ts';
import { readDeb, type DebControl } from './read-deb.ts';
import { sourceStamp, type Stamp } from './state.ts';

/** A package's file that someone wants published. */
export interface SourceFile {
  path: string;
  /** How messages call it. */
  name: string;
  /** Bytes. */
  size: number;
  stamp: Stamp;
}

/** A package that was read, once, from front to end. */
export interface ReadPackage extends DebControl {
  source: SourceFile;
  /** Bytes. */
  size: number;
  sha256: string;
  /** A copy of exactly those bytes, on disk; undefined where none was asked for. */
  staged: string | undefined;
}

/**
 * The `.deb` files in a folder and those below it, hidden ones and those of the site itself aside; or one file. Sorted
 * by path.
 */
export async function findDebs(path: string, site: string): Promise<SourceFile[]> {
  const info = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new Failure({
      doing: `looking for packages in ${path}`,
      because: error.code === 'ENOENT' ? 'there is no such folder' : error.message,
      fix: 'name the folder that `imgbuild debs -o DIR` has written to',
      kind: 'input',
    });
  });
  const paths = info.isDirectory()
    ? (await readdir(path, { recursive: true, withFileTypes: true }))
        .map((entry) => join(entry.parentPath, entry.name))
        .filter(
          (file) =>
            file.endsWith('.deb') &&
            !(isBelow(site, path) && isBelow(file, site)) &&
            !relative(path, file)
              .split('/')
              .some((part) => part.startsWith('.')),
        )
        .toSorted()
    : [path];
  const found: SourceFile[] = [];
  for (const file of paths) {
    const stats = await stat(file);
    if (!stats.isFile()) continue;
    const name = file === path ? basename(file) : relative(path, file);
    found.push({ path: file, name, size: stats.size, stamp: await sourceStamp(file) });
  }
  return found;
}

function isBelow(path: string, folder: string): boolean {
  return !/^\.\.(?:\/|$)/.test(relative(folder, path));
}

/** Throws before anything is read where a file cannot be an asset of a release. */
export function requireAssets(files: readonly SourceFile[]): void {
  const failures = files
    .filter(({ size }) => size >= assetLimit)
    .map(
      ({ name, size }) =>
        new Failure({
          doing: `publishing ${name}`,
          because: `it has ${size} bytes, and an asset of a release on GitHub has less than ${assetLimit}`,
          fix: 'divide its contents among several packages, or serve it from a pool of your own (without --assets-url)',
          kind: 'input',
        }),
    );
  if (failures.length === 1) throw failures[0]!;
  if (failures.length > 1) throw new Failures(failures);
}

/** Bytes that are read, hashed and written at a time. */
const pieceSize = 1024 * 1024;
const controlPieceSize = 64 * 1024;

/** Reads a package; `stage` is the path of a copy that is made in the same pass. */
export async function readSource(
  source: SourceFile,
  stage: string | undefined,
  progress: Progress,
  signal?: AbortSignal,
): Promise<ReadPackage> {
  const transfer = progress.transfer(`reading ${source.name}`, source.size);
  const hash = createHash('sha256');
  let size = 0;
  const copy = stage === undefined ? undefined : await open(stage, 'wx', 0o644).catch(failedWrite(stage));
  const writer = copyWriter(copy);
  // Pieces of the control file go through streams, which hold them; those behind it share a few buffers.
  const buffers: Buffer[] = [];
  let isControlRead = false;
  const chunks = async function* () {
    await using file = await open(source.path, 'r');
    for (let turn = 0; ; turn += 1) {
      signal?.throwIfAborted();
      const buffer = isControlRead
        ? (buffers[turn % 3] ??= Buffer.allocUnsafeSlow(pieceSize))
        : Buffer.allocUnsafeSlow(controlPieceSize);
      const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) return;
      const bytes = buffer.subarray(0, bytesRead);
      await writer.write(bytes);
      hash.update(bytes);
      size += bytes.length;
      transfer.add(bytes.length);
      yield bytes;
    }
  };
  try {
    const control = await readDeb(chunks(), source.name, () => (isControlRead = true));
    await writer.end();
    if (size !== source.size || (await sourceStamp(source.path)) !== source.stamp) {
      throw new Failure({
        doing: `reading ${source.name}`,
        because: 'it changed while it was read',
        fix: 'run it again when nothing writes to the file',
      });
    }
    return { ...control, source, size, sha256: hash.digest('hex'), staged: stage };
  } catch (error) {
    await writer.end().catch(() => {});
    if (stage !== undefined) await rm(stage, { force: true });
    throw stage === undefined ? error : outputFailure(stage, error);
  } finally {
    await copy?.close().catch(() => {});
    transfer.end();
  }
}

function failedWrite(path: string): (error: unknown) => never {
  return (error) => {
    throw outputFailure(path, error);
  };
}

/** One piece is written while the next one is read and hashed; `write` resolves when the one before it is written. */
function copyWriter(file: FileHandle | undefined): { write(bytes: Buffer): Promise<void>; end(): Promise<void> } {
  let pending: Promise<void> = Promise.resolve();
  return {
    async write(bytes) {
      if (file === undefined) return;
      await pending;
      pending = file.writeFile(bytes);
      // Awaited at the next one; until then nobody listens.
      pending.catch(() => {});
    },
    async end() {
      await pending;
      await file?.sync();
    },
  };
}

/** 64 hex digits. */
export async function hashFile(path: string, onBytes: (count: number) => void, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  await using file = await open(path, 'r');
  const buffer = Buffer.allocUnsafeSlow(1024 * 1024);
  for (;;) {
    signal?.throwIfAborted();
    const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
    if (bytesRead === 0) return hash.digest('hex');
    hash.update(buffer.subarray(0, bytesRead));
    onBytes(bytesRead);
  }
}
