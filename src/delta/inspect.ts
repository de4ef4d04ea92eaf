import { decompressed } from '../image-source/verified.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { DeltaFormat } from './bundle/format.ts';
import type { Bundle, BundleImage, TargetLayer } from './bundle/read.ts';
import { openBundle } from './bundle/read.ts';
import { entryTracker, type SeenArchive, type SeenEntry } from './track-entries.ts';
import { readTarDiff } from './tar-diff/read.ts';

/**
 * What became of a file. `unchanged` and `moved` are copied whole; `changed` takes parts of an old one; `new` none, as all
 * files of a filesystem layer that is sent whole.
 */
export type FileChange = 'unchanged' | 'moved' | 'changed' | 'new';

export interface InspectedFile {
  path: string;
  change: FileChange;
  /** The old file it takes most from. */
  source?: string;
  /** Of the new file, in bytes. */
  size: number;
  /** Bytes that come from old files as they are. */
  copied: number;
  /** Bytes that are sent as differences to old ones. */
  added: number;
  /** Of those, the bytes that differ from the old file's. */
  differing: number;
  /** Bytes that are sent as they are. */
  literal: number;
  /** Its share of the bundle, compressed: files that lie in one compressed block share its bytes by what they send. */
  bytes: number;
}

export interface InspectedLayer {
  diffId: string;
  kind: 'reused' | 'delta' | 'whole';
  /** Of a delta. What files cost is known of tar-diffs and of filesystem layers that are sent whole. */
  format?: DeltaFormat;
  /** In the bundle. */
  bytes: number;
  /** Of the uncompressed tar, where it is read. */
  uncompressed?: number;
  /** Bytes of tar headers and padding that are sent as they are, before compression. */
  headers?: number;
  /** `bytes` without those of the files: what headers, names and operations take of the bundle. */
  overhead?: number;
  files?: InspectedFile[];
}

export interface InspectedBundle {
  schema: 1;
  path: string;
  bytes: number;
  /** Of them, what is no filesystem layer: manifests, configs, the signature, the members' headers. */
  documents: number;
  signed: boolean;
  name: string | null;
  from: string | null;
  to: string | null;
  images: {
    reference: string | null;
    config: string;
    source: string | null;
    platform: { os: string; architecture: string; variant?: string };
    layers: InspectedLayer[];
  }[];
}

/** Reads a bundle without its source image: what each filesystem layer costs, and what of each file is sent. */
export async function inspectBundle(path: string, size: number, signal: AbortSignal): Promise<InspectedBundle> {
  const bundle = await openBundle(path, signal);
  try {
    const images = await bundle.images();
    const inspected: InspectedBundle['images'] = [];
    for (const image of images) {
      inspected.push({
        reference: image.reference ?? null,
        config: image.config.descriptor.digest,
        source: image.source?.config ?? null,
        platform: image.platform,
        layers: await inspectLayers(bundle, image),
      });
    }
    const first = images[0]!;
    const carried = new Map(images.flatMap(({ layers }) => layers.flatMap((layer) => blobOf(layer))));
    return {
      schema: 1,
      path,
      bytes: size,
      documents: size - [...carried.values()].reduce((sum, bytes) => sum + bytes, 0),
      signed: bundle.signature !== undefined,
      name: first.name ?? null,
      from: first.from ?? null,
      to: first.to ?? null,
      images: inspected,
    };
  } finally {
    await bundle.close();
  }
}

/** Images of one release may carry the same filesystem layer once. */
function blobOf({ carried }: TargetLayer): [Digest, number][] {
  return carried.kind === 'reused' ? [] : [[carried.blob.digest, carried.blob.size]];
}

async function inspectLayers(bundle: Bundle, image: BundleImage): Promise<InspectedLayer[]> {
  const layers: InspectedLayer[] = [];
  for (const { diffId, carried } of image.layers) {
    if (carried.kind === 'reused') {
      layers.push({ diffId, kind: 'reused', bytes: 0 });
      continue;
    }
    if (carried.kind === 'delta' && carried.format === 'imgbuild') {
      const { format, blob, uncompressedSize: size } = carried;
      const uncompressed = size === undefined ? {} : { uncompressed: size };
      layers.push({ diffId, kind: 'delta', format, bytes: blob.size, ...uncompressed });
      continue;
    }
    const seen = await follow(bundle, carried.kind, carried.blob);
    const files = seen.entries.map(describeFile);
    const sum = (part: (file: InspectedFile) => number) => files.reduce((total, file) => total + part(file), 0);
    layers.push({
      diffId,
      kind: carried.kind,
      ...(carried.kind === 'delta' ? { format: carried.format } : {}),
      bytes: carried.blob.size,
      uncompressed: seen.size,
      headers: seen.literal - sum((file) => file.literal),
      overhead: carried.blob.size - sum((file) => file.bytes),
      files,
    });
  }
  return layers;
}

/** Goes through the tar that a blob makes, and charges every compressed byte to what it brings. */
async function follow(bundle: Bundle, kind: 'delta' | 'whole', blob: Descriptor): Promise<SeenArchive> {
  const tracker = entryTracker();
  const { visitor } = tracker;
  let packed = 0;
  const onPacked = (bytes: number) => {
    // What came before these bytes is known by now.
    tracker.charge(packed);
    packed = bytes;
  };
  const what = `the filesystem layer ${blob.digest} of ${bundle.path}`;
  if (kind === 'delta') await readTarDiff(bundle.blob(blob), visitor, what, onPacked);
  else for await (const chunk of decompressed(bundle.blob(blob), what, onPacked)) visitor.data(chunk);
  tracker.charge(packed);
  return tracker.end();
}

function describeFile(entry: SeenEntry): InspectedFile {
  const { path, size, copied, added, differing, literal, sources } = entry;
  const [source] = [...sources].toSorted(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))[0] ?? [];
  const isWhole = copied === size && sources.size === 1 && size > 0;
  const change = source === undefined ? 'new' : !isWhole ? 'changed' : source === path ? 'unchanged' : 'moved';
  const bytes = Math.round(entry.cost);
  return { path, change, ...(source === undefined ? {} : { source }), size, copied, added, differing, literal, bytes };
}
