import { createHash } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { Failure } from '../failure.ts';
import type { ByteStream, SourceLayer } from '../image-source/image.ts';
import { decompressed } from '../image-source/verified.ts';
import type { Digest } from '../oci/digest.ts';
import type { Bundle, BundleImage, TargetLayer } from './bundle/read.ts';
import { SourceSpool, writeAll, type RandomAccess, type SourceFiles } from './source-spool.ts';
import { pathParts } from './locate-entries.ts';
import { decodeLayerDelta } from './layer-delta/decode.ts';
import { decodeSourceRanges, noRanges, type SourceRanges } from './layer-delta/source-ranges.ts';
import type { RangeSpool } from './layer-delta/range-spool.ts';
import { readTarDiff, type OperationVisitor } from './tar-diff/read.ts';

/** Where a bundle doesn't say how large a filesystem layer becomes, it may become this large, in bytes. */
const sizeLimit = 64 * 1024 ** 3;
/** Old files that one bundle may read from. */
const sourceLimit = 2_000_000;
const bufferSize = 1024 * 1024;
/** Bytes that are copied between two looks at what else goes on. */
const breath = 64 * 1024 * 1024;

/** Bytes that are rebuilt go here; none where they are only checked. */
export interface RebuiltSink {
  write(bytes: Uint8Array): void;
}

/** What the deltas of an image read of the old one. */
export interface WantedSources {
  /** Files of its tree, by path: for tar-diffs. */
  paths: Set<string>;
  /** Bytes of its filesystem layers: for layer deltas. */
  ranges: SourceRanges;
}

/** What of the old image was wanted, gathered. */
export interface GatheredSources extends SourceFiles {
  ranges: RangeSpool | undefined;
}

/** Reads each delta once, checked. */
export async function wantedSources(bundle: Bundle, image: BundleImage): Promise<WantedSources> {
  const ranges = image.sources === undefined ? noRanges : await decodeSourceRanges(bundle.blob(image.sources));
  return { paths: await sourcePaths(bundle, image), ranges };
}

async function sourcePaths(bundle: Bundle, image: BundleImage): Promise<Set<string>> {
  const paths = new Set<string>();
  const nothing = () => {};
  const visitor: OperationVisitor = {
    data: nothing,
    copy: nothing,
    addData: nothing,
    seek: nothing,
    open(path) {
      paths.add(sourcePath(path, bundle.path));
      if (paths.size > sourceLimit) throw broken(bundle.path, `it reads from more than ${sourceLimit} files`);
    },
  };
  for (const { carried } of image.layers) {
    if (carried.kind === 'reused') continue;
    // A layer that is sent whole is read too: all bytes are known to be good before anything is done with them.
    if (carried.kind === 'delta' && carried.format === 'tar-diff')
      await readTarDiff(bundle.blob(carried.blob), visitor, what(bundle, carried.blob.digest));
    else for await (const chunk of bundle.blob(carried.blob)) void chunk;
  }
  return paths;
}

/** Gathers the wanted files out of an opened image, and into `ranges` what it wants. */
export async function gather(
  layers: readonly SourceLayer[],
  wanted: ReadonlySet<string>,
  path: string,
  onBytes: (bytes: number) => void = () => {},
  ranges?: RangeSpool,
): Promise<SourceSpool> {
  const spool = new SourceSpool(wanted, path);
  let more: string[];
  try {
    for (const [at, layer] of layers.entries()) {
      const iterator = layer.tar()[Symbol.asyncIterator]();
      const tap = ranges?.tap(layer.diffId);
      const counted = {
        next: async () => {
          const next = await iterator.next();
          if (next.done !== true) {
            onBytes(next.value.length);
            tap?.write(next.value);
          }
          return next;
        },
      };
      try {
        if (wanted.size > 0) await spool.add({ [Symbol.asyncIterator]: () => counted });
        // What follows the archive's end belongs to the digest.
        while ((await counted.next()).done !== true);
      } finally {
        await iterator.return?.();
      }
      tap?.commit(layer.diffId);
      spool.commit(at);
    }
    more = spool.linkTargets();
  } catch (error) {
    spool.close();
    throw error;
  }
  if (more.length === 0) return spool;
  spool.close();
  return gather(layers, new Set([...wanted, ...more]), path, onBytes);
}

export interface RebuildOptions {
  signal: AbortSignal;
  /** Bytes that a layer delta may need; 64 MiB unless said otherwise. */
  memory?: number;
}

/**
 * Makes a filesystem layer out of what the bundle carries, uncompressed, and fails before the end unless its digest is
 * the diffID. Memory: the window of the delta and two buffers.
 */
export async function rebuildLayer(
  bundle: Bundle,
  layer: TargetLayer,
  sources: GatheredSources,
  sink: RebuiltSink,
  { signal, memory }: RebuildOptions,
): Promise<number> {
  const { carried } = layer;
  if (carried.kind === 'reused') throw new TypeError(`${layer.diffId} is not in the bundle`);
  const output = new HashedOutput(sink, carried.uncompressedSize ?? sizeLimit, bundle.path, signal);
  if (carried.kind === 'whole') {
    for await (const chunk of decompressed(bundle.blob(carried.blob), what(bundle, carried.blob.digest))) {
      output.put(chunk);
    }
  } else if (carried.format === 'imgbuild') {
    const { ranges } = sources;
    await ranges?.complete();
    const options = { ...(ranges?.lengths ?? { ranges: 0 }), ...(memory === undefined ? {} : { memory }) };
    const to = { write: (bytes: Uint8Array) => output.put(bytes) };
    await decodeLayerDelta(bundle.blob(carried.blob), ranges ?? nothing, to, options);
  } else {
    await applyOperations(bundle.blob(carried.blob), sources, output, what(bundle, carried.blob.digest));
  }
  const digest = output.finish();
  if (digest !== layer.diffId) {
    throw new Failure({
      doing: `rebuilding the filesystem layer ${layer.diffId}`,
      because: `what came out has the digest ${digest}`,
      fix: 'the source image is not the one that the bundle was made from, or it was altered on this host',
    });
  }
  return output.size;
}

/** Applies one tar-diff. Throws a Failure for a source that is missing or too short. */
export async function applyOperations(
  delta: ByteStream,
  sources: SourceFiles,
  output: { put(bytes: Uint8Array): void },
  name: string,
): Promise<void> {
  let file: RandomAccess | undefined;
  let path = '';
  let position = 0;
  let copied = 0;
  const buffer = Buffer.allocUnsafe(bufferSize);
  const read = (length: number): Buffer => {
    if (file === undefined) throw broken(name, 'it reads before it opens a source');
    if (position + length > file.size) {
      throw broken(name, `it reads ${path} up to byte ${position + length}, and the file has ${file.size}`);
    }
    const piece = buffer.subarray(0, length);
    file.read(position, length, piece);
    position += length;
    return piece;
  };
  const copySmall = (size: number) => {
    for (let left = size; left > 0;) {
      const piece = read(Math.min(left, bufferSize));
      output.put(piece);
      left -= piece.length;
    }
  };
  // An interrupt must be heard, however much a few operations ask for.
  const copyLarge = async (size: number) => {
    for (let left = size; left > 0; left -= breath) {
      copySmall(Math.min(left, breath));
      await new Promise((resolve) => setImmediate(resolve));
    }
    copied = 0;
  };
  await readTarDiff(
    delta,
    {
      data: (bytes) => output.put(bytes),
      open(opened) {
        path = sourcePath(opened, name);
        position = 0;
        file = sources.file(path);
        if (file === undefined) {
          throw new Failure({
            doing: `reading ${name}`,
            because: `the source image has no file ${path}`,
            fix: 'the source image is not the one that the bundle was made from',
          });
        }
      },
      copy(size) {
        // Told at once, whatever the size: nothing is put out that the source cannot give.
        if (file !== undefined && position + size > file.size) read(size);
        if (copied + size >= breath) return copyLarge(size);
        copied += size;
        copySmall(size);
        return undefined;
      },
      addData(bytes) {
        for (let at = 0; at < bytes.length;) {
          const piece = read(Math.min(bytes.length - at, bufferSize));
          for (let each = 0; each < piece.length; each++) piece[each] = piece[each]! + bytes[at + each]!;
          output.put(piece);
          at += piece.length;
        }
      },
      seek(to) {
        if (file === undefined) throw broken(name, 'it seeks before it opens a source');
        position = to;
      },
    },
    name,
  );
}

class HashedOutput {
  readonly #hash = createHash('sha256');
  readonly #sink: RebuiltSink;
  readonly #limit: number;
  readonly #name: string;
  readonly #signal: AbortSignal;
  size = 0;

  constructor(sink: RebuiltSink, limit: number, name: string, signal: AbortSignal) {
    this.#sink = sink;
    this.#limit = limit;
    this.#name = name;
    this.#signal = signal;
  }

  put(bytes: Uint8Array): void {
    this.#signal.throwIfAborted();
    this.size += bytes.length;
    if (this.size > this.#limit) {
      throw broken(this.#name, `a filesystem layer of it grows beyond the ${this.#limit} bytes that it may have`);
    }
    this.#hash.update(bytes);
    this.#sink.write(bytes);
  }

  finish(): Digest {
    return `sha256:${this.#hash.digest('hex')}`;
  }
}

/** A file that is written from front to end. */
export function fileSink(path: string): RebuiltSink & { close(): void } {
  const file = openSync(path, 'wx', 0o600);
  const buffer = Buffer.allocUnsafe(bufferSize);
  let filled = 0;
  let written = 0;
  const flush = () => {
    writeAll(file, buffer.subarray(0, filled), written);
    written += filled;
    filled = 0;
  };
  return {
    write(bytes) {
      if (bytes.length > buffer.length - filled) flush();
      if (bytes.length >= buffer.length) {
        writeAll(file, bytes, written);
        written += bytes.length;
        return;
      }
      buffer.set(bytes, filled);
      filled += bytes.length;
    },
    close() {
      try {
        flush();
      } finally {
        closeSync(file);
      }
    },
  };
}

/** What a bundle reads from that starts from no image. */
const nothing: RandomAccess = { size: 0, read() {} };

export const nowhere: RebuiltSink = { write() {} };

/** Absolute paths are taken from the tree's root; whatever leaves the tree is refused. */
function sourcePath(path: string, name: string): string {
  const parts = pathParts(path);
  if (parts === undefined) throw broken(name, `it reads from the path ${JSON.stringify(path.slice(0, 200))}`);
  return parts.join('/');
}

function what(bundle: Bundle, digest: Digest): string {
  return `the delta ${digest} of ${bundle.path}`;
}

function broken(name: string, because: string): Failure {
  return new Failure({
    doing: `reading ${name}`,
    because,
    fix: 'make it with `imgbuild ota diff`, or fetch it again',
    kind: 'input',
  });
}
