import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { SourceImage } from '../image-source/image.ts';
import type { Progress } from '../progress.ts';
import type { BundledImage, CarriedLayer } from './bundle/write.ts';
import { encodeLayer } from './encode-layer.ts';
import { accountFor, type CarriedEntries } from './account/account.ts';
import { accountLimit, encodeAccount } from './account/encode.ts';
import { accountSeen, followLayer } from './follow-layer.ts';
import type { KeptTars } from './kept-tars.ts';
import type { AccountedEntry } from './layer-delta/account.ts';
import { encodeLayerDelta, type EncodedLayerDelta } from './layer-delta/encode.ts';
import { openPartThreads, type PartThreads } from './layer-delta/part-threads.ts';
import { encodeSourceRanges } from './layer-delta/source-ranges.ts';
import { tarDiffMayBeSmaller } from './may-be-smaller.ts';
import { ownersOf } from './packages/owners.ts';
import { PackageLists } from './packages/package-lists.ts';
import { planImage, type ImagePlan, type PlannedLayer } from './plan-image.ts';
import type { SourceFiles } from './source-spool.ts';

/** What filesystem layers may be coded as: tar-diff alone, our own coding alone, or whatever is smallest. */
export type LayerFormat = 'oci-delta' | 'imgbuild' | 'auto';
export const layerFormats: readonly LayerFormat[] = ['auto', 'oci-delta', 'imgbuild'];

/** An image and the one that it is made from, if there is one. */
export interface ImagePair {
  from: SourceImage | undefined;
  to: SourceImage;
  reference: string | undefined;
  /** The filesystem layers of `from`, for all who read them. */
  kept?: KeptTars | undefined;
}

interface EncodeRequest {
  format: LayerFormat;
  /** Temporary files begin with it. */
  prefix: string;
  progress: Progress;
  signal: AbortSignal;
}

/** The smallest that a filesystem layer was coded as; and the smallest that isn't a layer delta, if it may win. */
interface Choice {
  best: CarriedLayer;
  public: CarriedLayer | undefined;
  /** Of `best`, where it is a layer delta. */
  entries: readonly AccountedEntry[] | undefined;
  /** Of layer deltas: what reads `best` must know that. */
  version: number;
}

/** Codes the filesystem layers that the old image lacks. What is carried as a delta lies in files that begin with `prefix`. */
export async function encodeImage(pair: ImagePair, request: EncodeRequest): Promise<BundledImage> {
  const { from, to, reference } = pair;
  const lists = request.format === 'oci-delta' ? undefined : new PackageLists();
  const { choices, sources, needs } = await codeLayers(pair, request, lists);
  const account = choices.some(({ best }) => isOwn(best))
    ? await encodeAccountOf(to, choices, lists, request.signal)
    : undefined;
  const carried = await decide(choices, sources.length + (account?.length ?? 0));
  const own = { sources, needs, ...(account === undefined ? {} : { account }) };
  return { from, to, reference, carried, ...(carried.some(isOwn) ? own : {}) };
}

/** Also returns the list of what layer deltas are made from. What was planned is gone when this returns. */
async function codeLayers(
  { from, to, kept }: ImagePair,
  { format, prefix, progress, signal }: EncodeRequest,
  lists: PackageLists | undefined,
): Promise<{ choices: Choice[]; sources: Buffer; needs: number }> {
  const as = { tarDiff: format !== 'imgbuild', layerDelta: format !== 'oci-delta' };
  const plan = await withTransfer(progress.transfer(`${from?.name ?? to.name}: reading`), signal, (onBytes) =>
    planImage(from, to, { as, prefix, lists, onBytes, kept }),
  );
  const { layers, files } = plan;
  const threads = openPartThreads(signal);
  try {
    const sources = await encodeSourceRanges(plan.ranges, sourcesLevel);
    const choices: Choice[] = [];
    for (const [at, layer] of layers.entries()) {
      const title = `${to.name}: filesystem layer ${at + 1} of ${layers.length}`;
      const coding = progress.transfer(title, layer.stored.size * (format === 'auto' ? 2 : 1));
      const choice = await withTransfer(coding, signal, async (onBytes) => {
        const path = `${prefix}-${at}`;
        const own = as.layerDelta ? await encodeOwn(layer, plan, threads, path, onBytes) : undefined;
        return choose(layer, own, sources.length, files, path, onBytes, signal);
      });
      choices.push(choice);
      await rm(layer.stored.path);
    }
    const listing = layers.some(({ expansions }) => expansions.size > 0) ? 2 : 1;
    return { choices, sources, needs: Math.max(listing, ...choices.map(({ version }) => version)) };
  } finally {
    await threads.close();
    plan.close();
  }
}

/** Counts the bytes of some work, which ends when it is interrupted. */
async function withTransfer<Result>(
  transfer: ReturnType<Progress['transfer']>,
  signal: AbortSignal,
  work: (onBytes: (bytes: number) => void) => Promise<Result>,
): Promise<Result> {
  try {
    return await work((bytes) => {
      signal.throwIfAborted();
      transfer.add(bytes);
    });
  } finally {
    transfer.end();
  }
}

const sourcesLevel = 19;

/** Codes one filesystem layer as a layer delta. */
export function encodeOwn(
  { stored, sources, expansions }: PlannedLayer,
  { old, inflated, ranges }: ImagePlan,
  threads: PartThreads,
  path: string,
  onBytes: (bytes: number) => void,
): Promise<EncodedLayerDelta> {
  const lengths = { ranges: ranges.count, oldMembers: ranges.members.length };
  const work = { layer: stored, sources, expansions, inflated, old, lengths, threads };
  return encodeLayerDelta({ ...work, path: `${path}.layer-delta`, onBytes });
}

/** A tar-diff is made where, and as far as, it may be the smallest. */
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
  const tried = own === undefined || tarDiffMayBeSmaller(own) ? tarDiff : undefined;
  if (tried !== tarDiff) onBytes(stored.size);
  const found = tried && (await encodeLayer(tried, files, `${path}.tar-diff`, onBytes, signal, limit));
  const asTarDiff = found && ({ ...common, kind: 'delta', format: 'tar-diff', delta: found } as const);
  const mayBePublic = asTarDiff ?? (size <= ownSize + besides || tarDiff === undefined ? whole : undefined);
  const best =
    own !== undefined && own.size < Math.min(size, found?.size ?? Infinity)
      ? ({ ...common, kind: 'delta', format: 'imgbuild', delta: own } as const)
      : (asTarDiff ?? whole);
  if (own !== undefined && best.kind !== 'delta') await rm(own.path);
  const chosen = isOwn(best) ? own : undefined;
  return { best, public: mayBePublic, entries: chosen?.entries, version: chosen?.version ?? 1 };
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
