import { Readable } from 'node:stream';
import type { Descriptor } from '../oci/descriptor.ts';
import { digestOf } from '../oci/digest.ts';
import type { StoredManifest } from '../oci/manifest.ts';
import { isIndexType, isManifestType } from '../oci/media-type.ts';
import { namedBy, parseManifest } from '../oci/parse-manifest.ts';
import { silent, type Progress } from '../progress.ts';
import type { BlobSource, LayerStore, MountSource } from './layer-store.ts';

/** Where manifests and blobs are read: a store's repository, a layout that an engine wrote, a registry. */
export interface ImageSource {
  getManifest(reference: string): Promise<StoredManifest | undefined>;
  openBlob(blob: Pick<Descriptor, 'digest' | 'size'>, signal?: AbortSignal): Promise<Readable>;
  /** The file that holds a blob, where there is one; `disposable` as in BlobSource. */
  blobFile?(blob: Pick<Descriptor, 'digest'>): { path: string; disposable: boolean };
}

export interface CopyOptions {
  /** Where the target's registry may have the blobs already. */
  mountFrom?: MountSource[];
  progress?: Progress;
  signal?: AbortSignal;
}

export interface Copied {
  /** In bytes. */
  uploaded: number;
  mounted: number;
  present: number;
}

const atOnce = 3;

export function repositoryOf(store: LayerStore, repository: string): ImageSource {
  return {
    getManifest: (reference) => store.getManifest(repository, reference),
    openBlob: (blob, signal) => store.openBlob(repository, blob, signal),
  };
}

/**
 * Brings what an image or index names into a repository: blobs, and an index's manifests by digest. What is there already
 * is neither read nor sent. The manifest itself is the caller's to put: until then nothing has a name.
 */
export async function copyContent(
  source: ImageSource,
  image: StoredManifest,
  target: LayerStore,
  repository: string,
  options: CopyOptions = {},
): Promise<Copied> {
  const copied: Copied = { uploaded: 0, mounted: 0, present: 0 };
  await copyNamed(source, image, target, repository, options, copied);
  return copied;
}

async function copyNamed(
  source: ImageSource,
  image: StoredManifest,
  target: LayerStore,
  repository: string,
  options: CopyOptions,
  copied: Copied,
): Promise<void> {
  const parsed = parseManifest(image.bytes, image.descriptor.mediaType);
  if (parsed.kind === 'index') {
    for (const entry of parsed.manifest.manifests) {
      if (!isManifestType(entry.mediaType) && !isIndexType(entry.mediaType)) continue;
      const child = await source.getManifest(entry.digest);
      // A platform that the source does not hold; the target says whether it can do without.
      if (child === undefined) continue;
      await copyNamed(source, child, target, repository, options, copied);
      await target.putManifest(repository, entry.digest, child);
    }
    return;
  }
  const blobs = new Map(namedBy(parsed).map((blob) => [blob.digest, blob]));
  const pending = [...blobs.values()].filter((blob) => !blob.urls?.length);
  const work = async () => {
    for (let blob = pending.shift(); blob !== undefined; blob = pending.shift()) {
      try {
        await copyBlob(source, blob, target, repository, options, copied);
      } catch (error) {
        pending.length = 0;
        throw error;
      }
    }
  };
  const workers = Array.from({ length: Math.min(atOnce, pending.length) }, work);
  // After a failure no further blob begins; those under way end first: nothing goes on behind the caller's back.
  for (const result of await Promise.allSettled(workers)) if (result.status === 'rejected') throw result.reason;
}

async function copyBlob(
  source: ImageSource,
  blob: Descriptor,
  target: LayerStore,
  repository: string,
  options: CopyOptions,
  copied: Copied,
): Promise<void> {
  const { progress = silent, signal, mountFrom } = options;
  signal?.throwIfAborted();
  let transfer: ReturnType<Progress['transfer']> | undefined;
  const data = blob.data;
  const open = (offset = 0): Readable => {
    transfer ??= progress.transfer(`${repository}: ${blob.digest.slice(7, 19)}`, blob.size);
    return Readable.from(bytesFrom(source, blob, offset, (bytes) => transfer?.add(bytes), signal));
  };
  const put: BlobSource = { digest: blob.digest, size: blob.size, open };
  if (data !== undefined && digestOf(Buffer.from(data, 'base64')) === blob.digest) {
    put.open = (offset = 0) => Readable.from([Buffer.from(data, 'base64').subarray(offset)]);
  }
  const file = source.blobFile?.(blob);
  if (file !== undefined) put.file = file.path;
  if (file?.disposable === true) put.disposable = true;
  try {
    const result = await target.putBlob(repository, put, {
      ...(mountFrom !== undefined && { mountFrom }),
      ...(signal !== undefined && { signal }),
    });
    if (result.outcome === 'uploaded') copied.uploaded += result.bytes;
    else copied[result.outcome] += blob.size;
  } finally {
    transfer?.end();
  }
}

async function* bytesFrom(
  source: ImageSource,
  blob: Descriptor,
  offset: number,
  moved: (bytes: number) => void,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  let skip = offset;
  for await (const chunk of await source.openBlob(blob, signal)) {
    const bytes = chunk as Uint8Array;
    if (skip >= bytes.length) {
      skip -= bytes.length;
      continue;
    }
    const rest = skip === 0 ? bytes : bytes.subarray(skip);
    skip = 0;
    moved(rest.length);
    yield rest;
  }
}
