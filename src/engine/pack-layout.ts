import { createReadStream } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { Failure } from '../failure.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { digestOf, type Digest } from '../oci/digest.ts';
import { mediaType } from '../oci/media-type.ts';
import type { Platform } from '../oci/platform.ts';
import { clampTimes } from '../tar/clamp-times.ts';
import { checkBase } from './check-base.ts';
import type { BuiltImage, KnownLayers } from './engine.ts';
import { blobFile, readBuiltFolder, writeFolderImage, type FolderImage } from './oci-folder.ts';
import { packLayer, type PackedLayer } from './pack-layer.ts';

export interface PackLayout {
  /** Holds the one image that BuildKit wrote, its own filesystem layers as bare tars. */
  folder: string;
  layer: string;
  platform: Platform;
  /** What the image begins with: kept as it is, its blobs need not be there. */
  base: KnownLayers;
  /** Seconds; no file of a new filesystem layer is younger. */
  sourceDateEpoch: number;
  signal: AbortSignal;
}

/**
 * Empty files named by the blobs of the base: BuildKit sends no blob that the layout seems to have. Its manifest names
 * them all the same, and whoever reads the image finds their bytes where the base is.
 */
export async function standIn(folder: string, base: KnownLayers): Promise<{ remove(): Promise<void> }> {
  await mkdir(join(folder, 'blobs', 'sha256'), { recursive: true });
  const files = base.descriptors.map(({ digest }) => blobFile(folder, digest));
  for (const file of files) await writeFile(file, '');
  return {
    async remove() {
      for (const file of files) await rm(file, { force: true });
    },
  };
}

/**
 * Makes of what BuildKit wrote what is saved: file times clamped, filesystem layers compressed on all cores. BuildKit
 * could do both, but compresses each filesystem layer twice for it, on one core (three times as long, measured). The
 * manifest and config are written anew; with equal steps they are equal bytes, whatever BuildKit's version.
 * Throws a Failure where what was built does not begin with its base.
 */
export async function packLayout(request: PackLayout): Promise<BuiltImage> {
  const { folder, base, platform, sourceDateEpoch } = request;
  const { manifest, config, configBytes } = await readBuiltFolder(folder, platform);
  const diffIds = config.rootfs.diff_ids;
  if (manifest.layers.length !== diffIds.length) throw uneven(request.layer, manifest.layers.length, diffIds.length);
  checkBase(request.layer, diffIds, base.diffIds);
  // A filesystem layer without changes may be left out of a manifest: then the two lists do not run side by side.
  const known = base.descriptors.length === base.diffIds.length ? base.descriptors : [];
  const blobs = join(folder, 'blobs', 'sha256');
  // Steps without changes have one filesystem layer between them.
  const packed = new Map<Digest, PackedLayer>();
  // One that the base has too was not sent: an empty file stood in its place.
  known.forEach((descriptor, index) => packed.set(descriptor.digest, { descriptor, diffId: base.diffIds[index]! }));
  const pack = async ({ digest, mediaType: type }: Descriptor, clamp: boolean): Promise<PackedLayer> => {
    const before = packed.get(digest);
    if (before) return before;
    const tar = tarOf(blobFile(folder, digest), type);
    const made = await packLayer(clamp ? clampTimes(tar, sourceDateEpoch) : tar, blobs, request.signal);
    packed.set(digest, made);
    return made;
  };
  const layers: PackedLayer[] = [];
  for (const [index, layer] of manifest.layers.entries()) {
    if (index >= base.diffIds.length) layers.push(await pack(layer, true));
    // As a daemon gives it.
    else if (known[index] === undefined && layer.mediaType === mediaType.layerTar)
      layers.push(await pack(layer, false));
    else layers.push({ descriptor: known[index] ?? layer, diffId: diffIds[index]! });
  }
  const kept = new Set(layers.map(({ descriptor }) => descriptor.digest));
  for (const digest of packed.keys()) if (!kept.has(digest)) await rm(blobFile(folder, digest), { force: true });
  const packedIds = layers.map(({ diffId }) => diffId);
  const bytes = withDiffIds(configBytes, packedIds);
  const descriptor = await writeFolderImage(folder, {
    layers: layers.map((each) => each.descriptor),
    config: bytes,
    platform,
  });
  return { descriptor, config: digestOf(bytes), diffIds: packedIds };
}

/** Errors of the file and of its compression end the last stream, whose reader gets them. */
const passedOn = () => {};

/** BuildKit keeps a compression that its cache has already. */
function tarOf(file: string, type: string): AsyncIterable<Buffer> {
  const blob = createReadStream(file, { highWaterMark: 1024 * 1024 });
  switch (type) {
    case mediaType.layerGzip:
      return pipeline(blob, createGunzip(), passedOn);
    case mediaType.layerZstd:
      return pipeline(blob, createZstdDecompress(), passedOn);
    default:
      return blob;
  }
}

function withDiffIds(config: FolderImage['configBytes'], diffIds: readonly Digest[]): Buffer {
  const values = JSON.parse(config.toString('utf8')) as Record<string, unknown>;
  return Buffer.from(JSON.stringify({ ...values, rootfs: { type: 'layers', diff_ids: diffIds } }));
}

function uneven(layer: string, descriptors: number, diffIds: number): Failure {
  return new Failure({
    doing: `building ${layer}`,
    because: `the builder wrote ${descriptors} filesystem layers and ${diffIds} diffIDs`,
    fix: 'report it together with the versions that `imgbuild doctor` shows',
  });
}
