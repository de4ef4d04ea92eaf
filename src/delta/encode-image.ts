import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { SourceImage, SourceLayer } from '../image-source/image.ts';
import type { Digest } from '../oci/digest.ts';
import type { Progress } from '../progress.ts';
import type { BundledImage, CarriedLayer } from './bundle/write.ts';
import { encodeLayer, planLayer, storeLayer, type LayerPlan, type StoredLayer } from './encode-layer.ts';
import { accountFor, type CarriedEntries } from './account/account.ts';
import { accountLimit, encodeAccount } from './account/encode.ts';
import { accountSeen, followLayer } from './follow-layer.ts';
import type { AccountedEntry } from './layer-delta/account.ts';
import { encodeLayerDelta, type EncodedLayerDelta } from './layer-delta/encode.ts';
import { findSources, indexEntries, type EntrySources } from './layer-delta/find-sources.ts';
import { OldBytes } from './layer-delta/old-bytes.ts';
import { RangeSpool } from './layer-delta/range-spool.ts';
import { encodeSourceRanges, noRanges } from './layer-delta/source-ranges.ts';
import { addCompared, addContents, addNeeded, OldPlaces, UsedRanges } from './layer-delta/used-ranges.ts';
import { indexSources, readOldImage, type OldImage } from './old-tree.ts';
import { ownersOf } from './packages/owners.ts';
import { PackageLists } from './packages/package-lists.ts';
import type { SourceFiles } from './source-spool.ts';

/** What filesystem layers may be coded as: tar-diff alone, our own coding alone, or whatever is smallest. */
export type LayerFormat = 'oci-delta' | 'imgbuild' | 'auto';
export const layerFormats: readonly LayerFormat[] = ['auto', 'oci-delta', 'imgbuild'];

/** An image and the one that it is made from, if there is one. */
export interface ImagePair {
  from: SourceImage | undefined;
  to: SourceImage;
  reference: string | undefined;
}

interface EncodeRequest {
  format: LayerFormat;
  /** Temporary files begin with it. */
  prefix: string;
  progress: Progress;
  signal: AbortSignal;
}

/** A filesystem layer that the old image lacks, and what of it may come from where. */
interface PlannedLayer {
  layer: SourceLayer;
  stored: StoredLayer;
  sources: readonly EntrySources[];
  /** Undefined where no tar-diff is wanted. */
  tarDiff: LayerPlan | undefined;
}

/** The smallest that a filesystem layer was coded as; and the smallest that isn't a layer delta, if it may win. */
interface Choice {
  best: CarriedLayer;
  public: CarriedLayer | undefined;
  /** Of `best`, where it is a layer delta. */
  entries: readonly AccountedEntry[] | undefined;
}

/** Codes the filesystem layers that the old image lacks. What is carried as a delta lies in files that begin with `prefix`. */
export async function encodeImage(pair: ImagePair, request: EncodeRequest): Promise<BundledImage> {
  const { from, to, reference } = pair;
  const { format, prefix, progress, signal } = request;
  const known = new Set(from?.layers.map(({ diffId }) => diffId));
  const missing = to.layers.filter(
    ({ diffId }, at) => !known.has(diffId) && to.layers.findIndex((layer) => layer.diffId === diffId) === at,
  );
  const reading = progress.transfer(`${from?.name ?? to.name}: reading`);
  const count = (bytes: number) => {
    signal.throwIfAborted();
    reading.add(bytes);
  };
  const planned: PlannedLayer[] = [];
  const lists = format === 'oci-delta' ? undefined : new PackageLists();
  let ranges = noRanges;
  let old: OldBytes;
  let spool: RangeSpool | undefined;
  let files: SourceFiles;
  try {
    // The old image is read and checked even where nothing of it is needed: a delta against damaged bytes is none.
    const image = from === undefined ? { entries: [], visible: [] } : await readOldImage(from.layers, count, lists);
    const [needed, compared] = [new UsedRanges(), new UsedRanges()];
    const stores: StoredLayer[] = [];
    for (const [at, layer] of missing.entries()) {
      stores.push(await storeLayer(layer, `${prefix}-${at}.tar`, count, lists));
    }
    const chosen = chooseSources(image, stores, format);
    for (const [at, layer] of missing.entries()) {
      const stored = stores[at]!;
      const { sources, tarDiff } = chosen[at]!;
      addNeeded(needed, sources);
      addCompared(compared, sources);
      for (const { source } of tarDiff?.files ?? []) if (source.kind === 'similar') addContents(compared, source.old);
      planned.push({ layer, stored, sources, tarDiff });
    }
    if (from !== undefined) await checkReused(from, to, count);
    const diffIds = from?.layers.map(({ diffId }) => diffId) ?? [];
    ranges = needed.ranges(diffIds);
    const wanted = compared.ranges(diffIds);
    spool = new RangeSpool(wanted, `${prefix}-sources`);
    await gatherRanges(from?.layers ?? [], spool, count);
    old = new OldBytes(new OldPlaces(ranges), new OldPlaces(wanted), spool);
    files = filesOf(image, old);
  } catch (error) {
    spool?.close();
    throw error;
  } finally {
    reading.end();
  }
  try {
    const sources = await encodeSourceRanges(ranges, sourcesLevel);
    const choices: Choice[] = [];
    for (const [at, plan] of planned.entries()) {
      const trials = format === 'auto' ? 2 : 1;
      const title = `${to.name}: filesystem layer ${at + 1} of ${missing.length}`;
      const encoding = progress.transfer(title, plan.stored.size * trials);
      try {
        const onBytes = (bytes: number) => {
          signal.throwIfAborted();
          encoding.add(bytes);
        };
        const path = `${prefix}-${at}`;
        const own = format === 'oci-delta' ? undefined : await encodeOwn(plan, old, ranges.count, path, onBytes);
        choices.push(await choose(plan, own, sources.length, files, path, onBytes, signal));
        await rm(plan.stored.path);
      } finally {
        encoding.end();
      }
    }
    const account = choices.some(({ best }) => isOwn(best))
      ? await encodeAccountOf(to, choices, lists, signal)
      : undefined;
    const carried = await decide(choices, sources.length + (account?.length ?? 0));
    const own = { sources, ...(account === undefined ? {} : { account }) };
    return { from, to, reference, carried, ...(carried.some(isOwn) ? own : {}) };
  } finally {
    spool.close();
  }
}

/** By filesystem layer. What they are found by is large, and gone when this returns. */
function chooseSources(
  image: OldImage,
  stores: readonly StoredLayer[],
  format: LayerFormat,
): Pick<PlannedLayer, 'sources' | 'tarDiff'>[] {
  const news = stores.flatMap(({ entries }) => entries).filter(({ size }) => size > 0);
  const visible = format === 'imgbuild' ? undefined : indexSources(image.visible, news);
  const tarDiffs = stores.map((stored) => visible && planLayer(stored, visible));
  const entries = format === 'oci-delta' ? indexEntries([], []) : indexEntries(image.entries, news);
  return stores.map((stored, at) => ({ sources: findSources(stored.entries, entries), tarDiff: tarDiffs[at] }));
}

const sourcesLevel = 19;

function encodeOwn(
  { stored, sources }: PlannedLayer,
  old: OldBytes,
  ranges: number,
  path: string,
  onBytes: (bytes: number) => void,
): Promise<EncodedLayerDelta> {
  return encodeLayerDelta({ layer: stored, sources, old, ranges, path: `${path}.layer-delta`, onBytes });
}

/** A tar-diff is made as far as it may be the smallest. */
async function choose(
  { layer, stored, tarDiff }: PlannedLayer,
  own: EncodedLayerDelta | undefined,
  sourcesSize: number,
  files: SourceFiles,
  path: string,
  onBytes: (bytes: number) => void,
  signal: AbortSignal,
): Promise<Choice> {
  const common = { layer, uncompressedSize: stored.size };
  const whole: CarriedLayer = { ...common, kind: 'whole' };
  const size = layer.descriptor.size;
  const ownSize = own === undefined ? Infinity : own.size;
  const besides = sourcesSize + (own === undefined ? 0 : accountLimit(own.size));
  const limit = Math.min(size - 1, ownSize + besides);
  const found = tarDiff && (await encodeLayer(tarDiff, files, `${path}.tar-diff`, onBytes, signal, limit));
  const asTarDiff = found && ({ ...common, kind: 'delta', format: 'tar-diff', delta: found } as const);
  const mayBePublic = asTarDiff ?? (size <= ownSize + besides || tarDiff === undefined ? whole : undefined);
  const best =
    own !== undefined && own.size < Math.min(size, found?.size ?? Infinity)
      ? ({ ...common, kind: 'delta', format: 'imgbuild', delta: own } as const)
      : (asTarDiff ?? whole);
  if (own !== undefined && best.kind !== 'delta') await rm(own.path);
  return { best, public: mayBePublic, entries: isOwn(best) ? own?.entries : undefined };
}

function isOwn(carried: CarriedLayer): boolean {
  return carried.kind === 'delta' && carried.format === 'imgbuild';
}

/** Layer deltas come with a list of their sources and an account: what they save must be more than that. */
async function decide(choices: readonly Choice[], besides: number): Promise<CarriedLayer[]> {
  const best = choices.map((choice) => choice.best);
  const others = choices.flatMap((choice) => choice.public ?? []);
  const sum = (layers: readonly CarriedLayer[]) => layers.reduce((total, layer) => total + sizeOf(layer), 0);
  const isSmaller = others.length < choices.length || sum(best) + besides < sum(others);
  const chosen = best.some(isOwn) && isSmaller ? best : others;
  const kept = new Set(chosen.flatMap((each) => (each.kind === 'delta' ? [each.delta.path] : [])));
  for (const each of [...best, ...others]) {
    if (each.kind === 'delta' && !kept.has(each.delta.path)) await rm(each.delta.path, { force: true });
  }
  return [...chosen];
}

/** What every byte of the smallest filesystem layers is spent on, by the target's own lists of its packages. */
async function encodeAccountOf(
  to: SourceImage,
  choices: readonly Choice[],
  lists: PackageLists | undefined,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  const carried: CarriedEntries[] = [];
  for (const { best, entries } of choices) {
    signal.throwIfAborted();
    const { kind, layer } = best;
    const number = to.layers.findIndex(({ diffId }) => diffId === layer.diffId);
    const format = best.kind === 'delta' ? { format: best.format } : {};
    const common = { layer: number, diffId: layer.diffId, kind, bytes: sizeOf(best), ...format };
    carried.push({ ...common, entries: entries ?? (await entriesOf(best, to.name)) });
  }
  const found = lists?.visible(to.layers.map(({ diffId }) => diffId));
  const paths = carried.flatMap(({ entries }) => entries.map(({ path }) => path));
  const account = accountFor(carried, found && ownersOf(found, paths));
  return encodeAccount(account, accountLimit(carried.reduce((sum, { bytes }) => sum + bytes, 0)));
}

async function entriesOf(carried: CarriedLayer, name: string): Promise<AccountedEntry[]> {
  const what = `the filesystem layer ${carried.layer.diffId} of ${name}`;
  const bytes = carried.kind === 'delta' ? createReadStream(carried.delta.path) : carried.layer.blob();
  const { entries } = await followLayer(carried.kind, bytes, what);
  return entries.map(accountSeen);
}

function sizeOf(carried: CarriedLayer): number {
  return carried.kind === 'delta' ? carried.delta.size : carried.layer.descriptor.size;
}

/** Reads, checked, every filesystem layer that something is wanted of. */
async function gatherRanges(
  layers: readonly SourceLayer[],
  spool: RangeSpool,
  count: (bytes: number) => void,
): Promise<void> {
  for (const layer of layers) {
    const tap = spool.tap(layer.diffId);
    if (tap === undefined) continue;
    for await (const chunk of layer.tar()) {
      tap.write(chunk);
      count(chunk.length);
    }
    tap.commit(layer.diffId);
  }
}

/** The files of the old tree, for tar-diffs. */
function filesOf({ visible }: OldImage, old: OldBytes): SourceFiles {
  const byPath = new Map(visible.map((entry) => [entry.path, entry]));
  return {
    file(path) {
      const entry = byPath.get(path);
      return entry && old.contents(entry);
    },
  };
}

/** What is not sent is read all the same: a damaged target is an error, unless it is the very blob that was read. */
async function checkReused(from: SourceImage, to: SourceImage, count: (bytes: number) => void): Promise<void> {
  const read = new Set(from.place !== undefined && from.place === to.place ? digestsOf(from) : []);
  const known = new Set(from.layers.map(({ diffId }) => diffId));
  for (const layer of to.layers) {
    if (!known.has(layer.diffId) || read.has(layer.descriptor.digest)) continue;
    read.add(layer.descriptor.digest);
    for await (const chunk of layer.blob()) count(chunk.length);
  }
}

function digestsOf(image: SourceImage): Digest[] {
  return image.layers.map(({ descriptor }) => descriptor.digest);
}
