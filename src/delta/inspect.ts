import type { Bundle, BundleImage } from './bundle/read.ts';
import { openBundle } from './bundle/read.ts';
import { nowhere } from './rebuild.ts';
import { entryTracker, type SeenEntry } from './track-entries.ts';
import { readTarDiff } from './tar-diff/read.ts';

/** What became of a file. `unchanged` and `moved` are copied whole; `changed` takes parts of an old one; `new` none. */
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
  /** Bytes that are sent as they are. */
  literal: number;
}

export interface InspectedLayer {
  diffId: string;
  kind: 'reused' | 'delta' | 'whole';
  /** In the bundle. */
  bytes: number;
  /** Of the uncompressed tar, where it is read. */
  uncompressed?: number;
  /** Bytes of tar headers and padding that are sent as they are, before compression. */
  headers?: number;
  files?: InspectedFile[];
}

export interface InspectedBundle {
  schema: 1;
  path: string;
  bytes: number;
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
    return {
      schema: 1,
      path,
      bytes: size,
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

async function inspectLayers(bundle: Bundle, image: BundleImage): Promise<InspectedLayer[]> {
  const layers: InspectedLayer[] = [];
  for (const { diffId, carried } of image.layers) {
    if (carried.kind === 'reused') layers.push({ diffId, kind: 'reused', bytes: 0 });
    else if (carried.kind === 'whole') {
      for await (const chunk of bundle.blob(carried.blob)) nowhere.write(chunk);
      const uncompressed = carried.uncompressedSize;
      layers.push({
        diffId,
        kind: 'whole',
        bytes: carried.blob.size,
        ...(uncompressed === undefined ? {} : { uncompressed }),
      });
    } else {
      const tracker = entryTracker();
      const { visitor } = tracker;
      await readTarDiff(bundle.blob(carried.blob), visitor, `the delta ${carried.blob.digest} of ${bundle.path}`);
      const seen = tracker.end();
      const files = seen.entries.map(describeFile);
      const literal = files.reduce((sum, file) => sum + file.literal, 0);
      layers.push({
        diffId,
        kind: 'delta',
        bytes: carried.blob.size,
        uncompressed: seen.size,
        headers: seen.literal - literal,
        files,
      });
    }
  }
  return layers;
}

function describeFile(entry: SeenEntry): InspectedFile {
  const { path, size, copied, added, literal, sources } = entry;
  const [source] = [...sources].toSorted(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))[0] ?? [];
  const isWhole = copied === size && sources.size === 1 && size > 0;
  const change = source === undefined ? 'new' : !isWhole ? 'changed' : source === path ? 'unchanged' : 'moved';
  return { path, change, ...(source === undefined ? {} : { source }), size, copied, added, literal };
}
