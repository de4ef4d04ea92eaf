import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rm, stat } from 'node:fs/promises';
import type { SourceLayer, SourcePackage } from '../../image-source/image.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Progress } from '../../progress.ts';
import { encodeOwn } from '../encode-image.ts';
import { openPartThreads } from '../layer-delta/part-threads.ts';
import { encodeSourceRanges } from '../layer-delta/source-ranges.ts';
import { planImage } from '../plan-image.ts';
import { encodeHead } from './format.ts';
import { installedFiles, installedTar, placedContents, type PlacedFile } from './installed-files.ts';
import {
  plainForm,
  removePackage,
  unpackPackage,
  type PlainForm,
  type StoredTar,
  type UnpackedPackage,
} from './plain-package.ts';

/** A package as it is made from the files that another version of it has installed. */
export interface EncodedPackage {
  /** The version whose files it is made from. */
  from: string;
  /** The file that the delta is in. */
  path: string;
  size: number;
  digest: Digest;
  /** What comes out of it: the package with nothing compressed. */
  plain: PlainForm;
}

export interface EncodePackageRequest {
  /** Temporary files begin with it, and the delta. */
  prefix: string;
  progress: Progress;
  signal: AbortSignal;
}

/** A device may have altered files, and take another way then: a delta is worth that where it saves this share, and these bytes. */
const leastShare = 0.2;
const leastBytes = 16 * 1024;
const level = 19;

/**
 * Codes a package against the files that an old version of it has installed (docs/package-delta-format.md). Undefined where
 * the package itself is not much larger, or where one of the two is of a kind that has no plain form. Memory: as for an image.
 */
export async function encodePackage(
  from: SourcePackage,
  to: SourcePackage,
  { prefix, progress, signal }: EncodePackageRequest,
): Promise<EncodedPackage | undefined> {
  if (to.size < leastBytes) return undefined;
  const unpacked: UnpackedPackage[] = [];
  const coding = progress.transfer(`package ${to.name} ${to.version}`);
  const onBytes = (bytes: number) => {
    signal.throwIfAborted();
    coding.add(bytes);
  };
  try {
    for (const [which, { name, version, bytes }] of Object.entries({ old: from, new: to })) {
      try {
        unpacked.push(await unpackPackage(counted(bytes(), onBytes), `${prefix}-${which}`));
      } catch (error) {
        signal.throwIfAborted();
        progress.note(
          `the package ${to.name} ${to.version} goes whole: ${name} ${version} cannot be unpacked: ${reasonOf(error)}`,
        );
        return undefined;
      }
    }
    const [old, target] = unpacked as [UnpackedPackage, UnpackedPackage];
    const files = await installedFiles(old);
    if (files.length === 0) return undefined;
    const path = `${prefix}.package-delta`;
    if (!(await writeDelta(path, files, target, `${prefix}-plan`, onBytes, signal))) return undefined;
    const { size } = await stat(path);
    if (to.size - size >= Math.max(leastBytes, leastShare * to.size)) {
      return { from: from.version, path, size, digest: await digestOfFile(path), plain: await plainForm(target) };
    }
    await rm(path);
    return undefined;
  } finally {
    coding.end();
    for (const each of unpacked) await removePackage(each);
  }
}

/** False where there are more files than a delta may name: no file is left then. */
async function writeDelta(
  path: string,
  files: readonly PlacedFile[],
  target: UnpackedPackage,
  prefix: string,
  onBytes: (bytes: number) => void,
  signal: AbortSignal,
): Promise<boolean> {
  const installed = () => installedTar(files, placedContents);
  const old = await layerOf(installed);
  const news = [await layerOf(() => tarOf(target.control)), await layerOf(() => tarOf(target.data))];
  const as = { tarDiff: false, layerDelta: true };
  const plan = await planImage({ layers: [old] }, { layers: news }, { as, prefix, lists: undefined, onBytes });
  const deltas = [];
  const threads = openPartThreads(signal);
  try {
    for (const [at, layer] of plan.layers.entries()) {
      deltas.push(await encodeOwn(layer, plan, threads, `${prefix}-${at}`, onBytes));
      await rm(layer.stored.path);
    }
  } finally {
    await threads.close();
    plan.close();
  }
  const sources = await encodeSourceRanges(plan.ranges, level);
  const [control, data] = deltas.map(({ size }) => size) as [number, number];
  const head = await encodeHead(
    {
      control: target.control.size,
      data: target.data.size,
      sources: sources.length,
      controlDelta: control,
      dataDelta: data,
      files,
    },
    level,
  );
  try {
    if (head === undefined) return false;
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(head);
      await file.writeFile(sources);
      for (const delta of deltas) await file.writeFile(createReadStream(delta.path));
    } finally {
      await file.close();
    }
    return true;
  } finally {
    for (const delta of deltas) await rm(delta.path);
  }
}

/** A tar as a filesystem layer that is nowhere but here. */
async function layerOf(tar: () => AsyncIterable<Buffer>): Promise<SourceLayer> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of tar()) {
    hash.update(chunk);
    size += chunk.length;
  }
  const digest: Digest = `sha256:${hash.digest('hex')}`;
  return { diffId: digest, descriptor: { mediaType: 'application/x-tar', digest, size }, blob: tar, tar };
}

function tarOf({ path }: StoredTar): AsyncIterable<Buffer> {
  return createReadStream(path, { highWaterMark: 2 ** 20 });
}

async function* counted(bytes: AsyncIterable<Buffer>, onBytes: (bytes: number) => void) {
  for await (const chunk of bytes) {
    onBytes(chunk.length);
    yield chunk;
  }
}

async function digestOfFile(path: string): Promise<Digest> {
  const hash = createHash('sha256');
  for await (const chunk of tarOf({ path, size: 0 })) hash.update(chunk);
  return `sha256:${hash.digest('hex')}`;
}

function reasonOf(error: unknown): string {
  return error instanceof Error && 'because' in error ? String(error.because) : (error as Error).message;
}
