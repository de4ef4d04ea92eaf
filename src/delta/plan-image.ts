import type { SourceImage, SourceLayer } from '../image-source/image.ts';
import type { Digest } from '../oci/digest.ts';
import { planLayer, storeLayer, type LayerPlan, type StoredLayer } from './encode-layer.ts';
import { findAlike } from './find-alike.ts';
import { keepTars, wholeRoom, type KeptTars } from './kept-tars.ts';
import { findSources, indexEntries, type EntrySources } from './layer-delta/find-sources.ts';
import type { Expansion } from './layer-delta/expansion.ts';
import { InflatedSpool } from './layer-delta/inflated-spool.ts';
import { OldBytes, type OldTars } from './layer-delta/old-bytes.ts';
import { planMembers } from './layer-delta/plan-members.ts';
import { RangeSpool } from './layer-delta/range-spool.ts';
import type { SourceRanges } from './layer-delta/source-ranges.ts';
import { addCompared, addContents, addNeeded, OldPlaces, UsedRanges } from './layer-delta/used-ranges.ts';
import { indexSources, readOldImage, type OldImage } from './old-tree.ts';
import type { PackageLists } from './packages/package-lists.ts';
import { sideBySide } from './side-by-side.ts';
import { partOf, type RandomAccess, type SourceFiles } from './source-spool.ts';

/** A filesystem layer that the old image lacks, and what of it may come from where. */
export interface PlannedLayer {
  layer: SourceLayer;
  stored: StoredLayer;
  sources: readonly EntrySources[];
  /** Undefined where no tar-diff is wanted. */
  tarDiff: LayerPlan | undefined;
  /** Of members, by number of entry. */
  expansions: ReadonlyMap<number, Expansion>;
}

/** What of an image counts here. */
type PlannedImage = Pick<SourceImage, 'layers' | 'place'>;

/** What an image is made from. */
export interface ImagePlan {
  /** In the order of the image. */
  layers: PlannedLayer[];
  /** What layer deltas read from. */
  ranges: SourceRanges;
  old: OldBytes;
  /** What members unpack to. */
  inflated: InflatedSpool;
  /** What tar-diffs read from. */
  files: SourceFiles;
  /** Removes the old bytes that were gathered. */
  close(): void;
}

interface PlanRequest {
  /** What filesystem layers may be coded as. */
  as: { tarDiff: boolean; layerDelta: boolean };
  /** Temporary files begin with it. */
  prefix: string;
  /** Gathers what package managers say. */
  lists: PackageLists | undefined;
  /** Bytes that were read since the last call; it may throw to end the work. */
  onBytes: (bytes: number) => void;
  /** The old filesystem layers, where somebody else wants them too; else they are gone with the plan. */
  kept?: KeptTars | undefined;
}

/** What both may come from, and where it lies. */
interface Chosen {
  layers: PlannedLayer[];
  needed: UsedRanges;
  compared: UsedRanges;
}

/**
 * Reads and checks both images and finds sources for the filesystem layers that the old one lacks; these lie then in files
 * that begin with `prefix`, as do the old bytes that are looked at. Memory: some hundred bytes for each entry of both.
 */
export async function planImage(
  from: PlannedImage | undefined,
  to: PlannedImage,
  request: PlanRequest,
): Promise<ImagePlan> {
  const { prefix, onBytes } = request;
  const known = new Set(from?.layers.map(({ diffId }) => diffId));
  const missing = to.layers.filter(
    ({ diffId }, at) => !known.has(diffId) && to.layers.findIndex((layer) => layer.diffId === diffId) === at,
  );
  const own = keepTars(request.kept === undefined ? (from?.layers ?? []) : [], `${prefix}-old`, wholeRoom());
  const kept = request.kept ?? own;
  const spools: { close(): void }[] = [own];
  const close = () => {
    for (const each of spools) each.close();
  };
  try {
    // The old image is read and checked even where nothing of it is needed: a delta against damaged bytes is none.
    const { layers, needed, compared } = await readAndChoose(missing, kept, request);
    if (from !== undefined) await checkReused(from, to, onBytes);
    const diffIds = from?.layers.map(({ diffId }) => diffId) ?? [];
    const ranges = needed.ranges(diffIds);
    const wanted = compared.ranges(diffIds.filter((diffId) => kept.file(diffId) === undefined));
    const spool = new RangeSpool(wanted, `${prefix}-sources`);
    spools.push(spool);
    const inflated = new InflatedSpool(`${prefix}-inflated`);
    spools.push(inflated);
    await gatherRanges(kept.layers, spool, onBytes);
    const places = new OldPlaces(ranges);
    const tars = tarsOf(kept, spool, new OldPlaces(wanted));
    const packed = new OldBytes(places, tars, ranges.size);
    // An interrupt is heard between entries.
    const members = await planMembers(request.as.layerDelta ? layers : [], packed, inflated, () => onBytes(0));
    const sources = members.old.place(ranges, places);
    const old = new OldBytes(places, tars, sources.size, { placed: members.old, unpacked: inflated });
    const expanded = layers.map((layer, at) => ({ ...layer, expansions: members.expansions[at] ?? layer.expansions }));
    return { layers: expanded, ranges: sources, old, inflated, files: filesOf(layers, old), close };
  } catch (error) {
    close();
    throw error;
  }
}

async function readAndChoose(missing: readonly SourceLayer[], kept: KeptTars, request: PlanRequest): Promise<Chosen> {
  const { prefix, lists, onBytes } = request;
  const [image, stores] = await sideBySide(
    onBytes,
    (onOld) => readOldImage(kept.layers, onOld, lists),
    (onNew) => storeLayers(missing, prefix, onNew, lists),
  );
  return chooseSources(image, missing, stores, kept, request);
}

async function storeLayers(
  layers: readonly SourceLayer[],
  prefix: string,
  onBytes: (bytes: number) => void,
  lists: PackageLists | undefined,
): Promise<StoredLayer[]> {
  const stores: StoredLayer[] = [];
  for (const [at, layer] of layers.entries()) {
    stores.push(await storeLayer(layer, `${prefix}-${at}.tar`, onBytes, lists));
  }
  return stores;
}

/** What is found by is large, and gone when this is done. */
async function chooseSources(
  image: OldImage,
  missing: readonly SourceLayer[],
  stores: readonly StoredLayer[],
  kept: KeptTars,
  { as, onBytes }: PlanRequest,
): Promise<Chosen> {
  const news = stores.flatMap(({ entries }) => entries).filter(({ size }) => size > 0);
  const [needed, compared] = [new UsedRanges(), new UsedRanges()];
  const tarDiffs: (LayerPlan | undefined)[] = as.tarDiff ? planAll(stores, indexSources(image.visible, news)) : [];
  const entries = as.layerDelta ? indexEntries(image.entries, news) : indexEntries([], []);
  const alike = await findAlike(entries.withoutNamesake, stores, image.entries, kept, onBytes);
  const layers = missing.map((layer, at): PlannedLayer => {
    const stored = stores[at]!;
    const sources = findSources(stored.entries, entries, alike);
    const tarDiff = tarDiffs[at];
    addNeeded(needed, sources);
    addCompared(compared, sources);
    for (const { source } of tarDiff?.files ?? []) if (source.kind === 'similar') addContents(compared, source.old);
    return { layer, stored, sources, tarDiff, expansions: new Map() };
  });
  return { layers, needed, compared };
}

function planAll(stores: readonly StoredLayer[], sources: Parameters<typeof planLayer>[1]): LayerPlan[] {
  return stores.map((stored) => planLayer(stored, sources));
}

/** Reads, checked, every filesystem layer that something is wanted of. */
async function gatherRanges(
  layers: readonly SourceLayer[],
  spool: RangeSpool,
  onBytes: (bytes: number) => void,
): Promise<void> {
  for (const layer of layers) {
    const tap = spool.tap(layer.diffId);
    if (tap === undefined) continue;
    for await (const chunk of layer.tar()) {
      tap.write(chunk);
      onBytes(chunk.length);
    }
    tap.commit(layer.diffId);
  }
}

/** Filesystem layers as they were kept, and what was gathered of the others. */
function tarsOf(kept: KeptTars, gathered: RandomAccess, places: OldPlaces): OldTars {
  return {
    bytes(layer, start, size) {
      const whole = kept.file(layer);
      return whole === undefined ? partOf(gathered, places.at(layer, start), size) : partOf(whole, start, size);
    },
  };
}

/** The files of the old tree that tar-diffs compare with. */
function filesOf(layers: readonly PlannedLayer[], old: OldBytes): SourceFiles {
  const compared = layers
    .flatMap(({ tarDiff }) => tarDiff?.files ?? [])
    .filter(({ source }) => source.kind === 'similar');
  const byPath = new Map(compared.map(({ source }) => [source.old.path, source.old]));
  return {
    file(path) {
      const entry = byPath.get(path);
      return entry && old.contents(entry);
    },
  };
}

/** What is not sent is read all the same: a damaged target is an error, unless it is the very blob that was read. */
async function checkReused(from: PlannedImage, to: PlannedImage, onBytes: (bytes: number) => void): Promise<void> {
  const read = new Set(from.place !== undefined && from.place === to.place ? digestsOf(from) : []);
  const known = new Set(from.layers.map(({ diffId }) => diffId));
  for (const layer of to.layers) {
    if (!known.has(layer.diffId) || read.has(layer.descriptor.digest)) continue;
    read.add(layer.descriptor.digest);
    for await (const chunk of layer.blob()) onBytes(chunk.length);
  }
}

function digestsOf(image: PlannedImage): Digest[] {
  return image.layers.map(({ descriptor }) => descriptor.digest);
}
