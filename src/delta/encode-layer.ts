import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, rmSync } from 'node:fs';
import { constants, createZstdCompress } from 'node:zlib';
import type { Digest } from '../oci/digest.ts';
import type { SourceLayer } from '../image-source/image.ts';
import { Failure } from '../failure.ts';
import { encodeFile } from './encode-file.ts';
import { entryLocator, type LocatedEntry } from './locate-entries.ts';
import type { OldEntry, Source, SourceIndex } from './old-tree.ts';
import type { PackageLists } from './packages/package-lists.ts';
import { readAll, writeAll, type RandomAccess, type SourceFiles } from './source-spool.ts';
import { header } from './tar-diff/format.ts';
import { windowLog } from './tar-diff/read.ts';
import type { TarScanner } from '../tar/scan.ts';
import { OperationWriter } from './tar-diff/write.ts';

/** A file of the new filesystem layer that is made from an old one. */
interface PlannedFile {
  start: number;
  size: number;
  source: Exclude<Source<OldEntry>, { kind: 'none' }>;
}

/** A new filesystem layer on disk, uncompressed. */
export interface StoredLayer {
  /** The uncompressed tar. */
  path: string;
  size: number;
  entries: LocatedEntry[];
}

/** What of a new filesystem layer comes from where. */
export interface LayerPlan extends StoredLayer {
  files: PlannedFile[];
  /** Bytes that no old file gives whole: they decide how hard to compress. */
  novel: number;
}

/** Smaller contents cost less as they are than the name of a source. */
const smallest = 48;
const ioSize = 1024 * 1024;

/** Writes the layer's tar to `path`, checked, and finds what is in it. `lists` gathers what package managers say. */
export async function storeLayer(
  layer: SourceLayer,
  path: string,
  onBytes: (bytes: number) => void,
  lists?: PackageLists,
): Promise<StoredLayer> {
  const file = openSync(path, 'wx', 0o600);
  const entries: LocatedEntry[] = [];
  const tap = lists?.tap(layer.diffId);
  let size = 0;
  try {
    let locator: TarScanner | undefined = entryLocator((entry) => entries.push(entry), tap);
    const locate = (work: (locator: TarScanner) => void) => {
      try {
        if (locator !== undefined) work(locator);
      } catch (error) {
        // A tar that only its writer's own reader understands is still bytes: what was not understood goes as data.
        if (!(error instanceof Failure) || !/^reading a (tar|pax)/.test(error.doing)) throw error;
        locator = undefined;
      }
    };
    for await (const chunk of layer.tar()) {
      writeAll(file, chunk, size);
      size += chunk.length;
      onBytes(chunk.length);
      locate((each) => each.push(chunk));
    }
    locate((each) => each.end());
  } finally {
    closeSync(file);
  }
  return { path, size, entries };
}

/** Finds the sources of a layer's files among those that an extracted tree has. */
export function planLayer(layer: StoredLayer, sources: SourceIndex<OldEntry>): LayerPlan {
  const files: PlannedFile[] = [];
  let reused = 0;
  for (const { path, plain, contentStart, size, hash } of layer.entries) {
    if (!plain || size < smallest) continue;
    const source = sources.sourceOf({ path, size, hash });
    if (source.kind === 'none') continue;
    files.push({ start: contentStart, size, source });
    if (source.kind === 'same') reused += size;
  }
  return { ...layer, files, novel: layer.size - reused };
}

/** Old files whose bytes are needed to encode a plan. */
export function sourcesOf(plan: LayerPlan): string[] {
  return plan.files.flatMap(({ source }) => (source.kind === 'similar' ? [source.old.path] : []));
}

export interface EncodedLayer {
  path: string;
  size: number;
  digest: Digest;
}

/** Writes a planned layer as a tar-diff to `path`; undefined once it has more than `limit` bytes. */
export async function encodeLayer(
  plan: LayerPlan,
  sources: SourceFiles,
  path: string,
  onBytes: (bytes: number) => void,
  signal: AbortSignal,
  limit = Infinity,
): Promise<EncodedLayer | undefined> {
  const output = openSync(path, 'wx', 0o600);
  const hash = createHash('sha256');
  let size = 0;
  const put = (bytes: Buffer) => {
    writeAll(output, bytes, size);
    hash.update(bytes);
    size += bytes.length;
    if (size > limit) throw tooLarge;
  };
  const compressor = createZstdCompress({
    params: {
      [constants.ZSTD_c_compressionLevel]: levelFor(plan.novel),
      [constants.ZSTD_c_windowLog]: windowLog,
      [constants.ZSTD_c_checksumFlag]: 1,
    },
  });
  const written = (async () => {
    put(header);
    for await (const chunk of compressor) put(chunk as Buffer);
  })();
  // Awaited below; a failure before that must not count as unheard.
  written.catch(() => {});
  const file = openSync(plan.path, 'r');
  try {
    const writer = new OperationWriter(compressor);
    const encoding = writeOperations(writer, plan, file, sources, onBytes, signal);
    // A full disk ends the reading side first: whichever fails ends both.
    await Promise.race([encoding, written.then(() => encoding)]);
    compressor.end();
    await written;
  } catch (error) {
    compressor.destroy();
    if (error !== tooLarge) throw error;
    rmSync(path);
    return undefined;
  } finally {
    closeSync(file);
    closeSync(output);
  }
  return { path, size, digest: `sha256:${hash.digest('hex')}` };
}

async function writeOperations(
  writer: OperationWriter,
  plan: LayerPlan,
  file: number,
  sources: SourceFiles,
  onBytes: (bytes: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const buffer = Buffer.allocUnsafe(ioSize);
  let done = 0;
  const literal = async (end: number) => {
    while (done < end) {
      signal.throwIfAborted();
      const piece = buffer.subarray(0, Math.min(ioSize, end - done));
      readAll(file, piece, piece.length, done);
      writer.data(piece);
      done += piece.length;
      onBytes(piece.length);
      await writer.drain();
    }
  };
  for (const { start, size, source } of plan.files) {
    signal.throwIfAborted();
    await literal(start);
    const old = source.old;
    if (source.kind === 'same') {
      writer.copy(old.path, 0, size);
      onBytes(size);
      await writer.drain();
    } else {
      const from = sources.file(old.path);
      if (from === undefined) throw new Error(`the source ${old.path} was not gathered`);
      const text: RandomAccess = {
        size,
        read: (position, length, into) => readAll(file, into, length, start + position),
      };
      await encodeFile(writer, old.path, from, text, onBytes);
    }
    done = start + size;
  }
  await literal(fstatSync(file).size);
  await writer.end();
}

/** Ends the work, and is never seen outside. */
const tooLarge = new Error('more bytes than are wanted');

/** The hardest level for what an update usually brings; less for what would take minutes. */
export function levelFor(novel: number): number {
  const megabytes = novel / 1_000_000;
  return megabytes <= 24 ? 19 : megabytes <= 100 ? 15 : 12;
}
