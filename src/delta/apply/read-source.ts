import { createHash, randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { DockerEngine, InspectedImage } from '../../image-source/docker-engine.ts';
import { decompressed } from '../../image-source/verified.ts';
import { documentLimit } from '../../image-source/oci-layout.ts';
import { Failure } from '../../failure.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { digestOf, type Digest } from '../../oci/digest.ts';
import type { ImageConfig, ImageManifest } from '../../oci/manifest.ts';
import { readTar, type ReadTarEntry } from '../../tar/extract.ts';
import { RangeSpool, type LayerTap } from '../layer-delta/range-spool.ts';
import type { SourceRanges } from '../layer-delta/source-ranges.ts';
import { fileSink } from '../rebuild.ts';
import { SourceSpool } from '../source-spool.ts';

/** What was read of the source image through the engine. */
export interface ReadSource {
  files: SourceSpool;
  ranges: RangeSpool;
  /** sha256 of each config in the engine's archive. */
  configs: Set<Digest>;
  /** How the engine's store names its filesystem layers, by diffID; empty for stores that keep no blobs. */
  descriptors: Map<Digest, Descriptor>;
  /** Whole filesystem layers that were asked for: their uncompressed tars. */
  tars: Map<Digest, { path: string; size: number }>;
}

/** All documents of one archive together: a hostile or odd one must not fill the memory. */
const documentsLimit = 64 * 1024 * 1024;

/**
 * Reads an image as `docker save` gives it, once, and keeps what is wanted of it: files by path, and whole filesystem
 * layers by diffID. Every filesystem layer is hashed. Throws a Failure unless all of the image's came, byte for byte.
 */
export async function readSource(
  engine: DockerEngine,
  image: InspectedImage,
  wanted: { files: ReadonlySet<string>; ranges: SourceRanges; tars: ReadonlySet<Digest> },
  folder: string,
  onBytes: (bytes: number) => void,
  signal: AbortSignal,
): Promise<ReadSource> {
  const prefix = join(folder, `source-${randomBytes(4).toString('hex')}`);
  const files = new SourceSpool(wanted.files, prefix);
  const ranges = new RangeSpool(wanted.ranges, `${prefix}-ranges`);
  const documents = new Map<string, Buffer>();
  const seen = new Set<Digest>();
  const tars: ReadSource['tars'] = new Map();
  try {
    const stream = await engine.save(image.id, signal);
    let documentBytes = 0;
    let number = 0;
    try {
      for await (const entry of readTar(counted(stream, onBytes))) {
        if (entry.header.type !== 'file' || entry.header.size === 0) continue;
        const { head, all } = await sniff(entry);
        if (head[0] === 0x7b || head[0] === 0x5b) {
          documentBytes += entry.header.size;
          if (entry.header.size > documentLimit || documentBytes > documentsLimit) {
            throw damaged(image, `${entry.header.name} has ${entry.header.size} bytes`);
          }
          const parts: Buffer[] = [];
          for await (const chunk of all) parts.push(chunk);
          documents.set(entry.header.name, Buffer.concat(parts));
          continue;
        }
        const path = wanted.tars.size === 0 ? undefined : `${prefix}-${number++}.tar`;
        const tap = ranges.tap(diffIdIn(entry.header.name, ranges));
        const layer = await readLayer(all, { files, tap, path }, `${entry.header.name} of ${image.id}`);
        const diffId = layer?.diffId;
        const place = diffId === undefined ? -1 : image.diffIds.lastIndexOf(diffId);
        if (diffId !== undefined && place >= 0) {
          files.commit(place);
          seen.add(diffId);
          if (path !== undefined && wanted.tars.has(diffId)) {
            tars.set(diffId, { path, size: layer!.size });
            continue;
          }
        }
        if (path !== undefined) rmSync(path, { force: true });
      }
    } finally {
      stream.destroy();
    }
    const altered = image.diffIds.filter((diffId) => !seen.has(diffId));
    if (altered.length > 0) {
      throw damaged(image, `Docker does not give the filesystem layer ${altered[0]} as it was: it was altered`);
    }
    return { files, ranges, tars, ...describe(documents, image) };
  } catch (error) {
    files.close();
    ranges.close();
    throw error;
  }
}

/** The first bytes of an entry, and all of them. */
async function sniff(entry: ReadTarEntry): Promise<{ head: Buffer; all: AsyncIterable<Buffer> }> {
  const iterator = entry.contents();
  const first = await iterator.next();
  const head = first.done === true ? Buffer.alloc(0) : first.value;
  const all = (async function* () {
    yield head;
    yield* iterator;
  })();
  return { head, all };
}

/** Undefined for what is no tar. */
async function readLayer(
  stored: AsyncIterable<Buffer>,
  { files, tap, path }: { files: SourceSpool; tap: LayerTap | undefined; path: string | undefined },
  what: string,
): Promise<{ diffId: Digest; size: number } | undefined> {
  const hash = createHash('sha256');
  const sink = path === undefined ? undefined : fileSink(path);
  let size = 0;
  const tar = (async function* () {
    for await (const chunk of decompressed(stored, what)) {
      hash.update(chunk);
      size += chunk.length;
      sink?.write(chunk);
      tap?.write(chunk);
      yield chunk;
    }
  })();
  const shared: AsyncIterable<Buffer> = { [Symbol.asyncIterator]: () => ({ next: () => tar.next() }) };
  try {
    await files.add(shared);
    while ((await tar.next()).done !== true);
    const diffId: Digest = `sha256:${hash.digest('hex')}`;
    tap?.commit(diffId);
    return { diffId, size };
  } catch (error) {
    tap?.discard();
    if (error instanceof Failure && error.doing.startsWith('reading a tar')) return undefined;
    throw error;
  } finally {
    sink?.close();
  }
}

/** Archives that are OCI layouts name filesystem layers by their digest, which is the diffID where they lie as they are. */
function diffIdIn(name: string, ranges: RangeSpool): Digest | undefined {
  const hex = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(name)?.[1];
  return hex !== undefined && ranges.wants(`sha256:${hex}`) ? `sha256:${hex}` : undefined;
}

/** Finds manifest and config of the image among the archive's documents. */
function describe(documents: Map<string, Buffer>, image: InspectedImage): Pick<ReadSource, 'configs' | 'descriptors'> {
  const configs = new Set<Digest>();
  const descriptors: ReadSource['descriptors'] = new Map();
  const byDigest = new Map<Digest, unknown>();
  for (const bytes of documents.values()) {
    try {
      byDigest.set(digestOf(bytes), JSON.parse(bytes.toString('utf8')));
    } catch {
      // Whatever begins like a document and is none names nothing.
    }
  }
  for (const [digest, value] of byDigest) {
    if (sameDiffIds(value, image)) configs.add(digest);
  }
  for (const value of byDigest.values()) {
    const manifest = value as Partial<ImageManifest>;
    const config = manifest.config?.digest;
    if (config === undefined || !configs.has(config) || !Array.isArray(manifest.layers)) continue;
    if (manifest.layers.length !== image.diffIds.length) continue;
    manifest.layers.forEach(({ mediaType, digest, size }, at) => {
      descriptors.set(image.diffIds[at]!, { mediaType, digest, size });
    });
  }
  return { configs, descriptors };
}

function sameDiffIds(value: unknown, image: InspectedImage): boolean {
  const ids = (value as Partial<ImageConfig> | null)?.rootfs?.diff_ids;
  return Array.isArray(ids) && ids.length === image.diffIds.length && ids.every((id, at) => id === image.diffIds[at]);
}

async function* counted(source: AsyncIterable<Buffer>, onBytes: (bytes: number) => void) {
  for await (const chunk of source) {
    onBytes(chunk.length);
    yield chunk;
  }
}

function damaged(image: InspectedImage, because: string): Failure {
  return new Failure({
    doing: `reading the source image ${image.id} from Docker`,
    because,
    fix: 'load or pull the old release again, or load the new one as a whole',
  });
}
