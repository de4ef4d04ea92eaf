import { Failure } from '../failure.ts';
import type { ImageSet, SourceImage } from '../image-source/image.ts';
import type { Digest } from '../oci/digest.ts';
import type { Progress } from '../progress.ts';
import { accountFor, changeOf, type Account, type AccountedFile, type CarriedEntries } from './account/account.ts';
import { AccountError, decodeAccount } from './account/decode.ts';
import { accountLimits } from './account/format.ts';
import { nothing, plus, sumOf, wholeBytes, type Total, type Totals } from './account/totals.ts';
import { accountType } from './bundle/format.ts';
import type { Bundle, BundleImage, TargetLayer } from './bundle/read.ts';
import { carriedSize } from './bundle/packages.ts';
import { openBundle } from './bundle/read.ts';
import { accountSeen, changeSeen, followLayer } from './follow-layer.ts';
import type {
  ChangeTotals,
  InspectedBundle,
  InspectedFile,
  InspectedImage,
  InspectedLayer,
  InspectedPackages,
} from './inspected.ts';
import { ownersOf, type PackageName } from './packages/owners.ts';
import type { RebuildOptions } from './rebuild.ts';
import { targetLists } from './target-lists.ts';
import type { SeenEntry } from './track-entries.ts';

export interface InspectOptions extends RebuildOptions {
  /** What the bundle starts from: for lists of packages that are not in the bundle. */
  from?: ImageSet;
  /** A folder for temporary files. */
  temporary: string;
  progress: Progress;
}

/** Reads a bundle: what each filesystem layer, package and file costs. `size` of the file in bytes. */
export async function inspectBundle(path: string, size: number, options: InspectOptions): Promise<InspectedBundle> {
  const bundle = await openBundle(path, options.signal);
  try {
    const images = await bundle.images();
    const inspected: InspectedImage[] = [];
    for (const image of images) {
      inspected.push({
        reference: image.reference ?? null,
        config: image.config.descriptor.digest,
        source: image.source?.config ?? null,
        platform: image.platform,
        ...(await inspectImage(bundle, image, options)),
      });
    }
    const first = images[0]!;
    const packages = await bundle.packages();
    const carried = new Map(images.flatMap(({ layers }) => layers.flatMap((layer) => blobOf(layer))));
    for (const each of packages)
      if (each.carried.kind !== 'reused') carried.set(each.carried.blob.digest, carriedSize(each));
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
      hostPackages: packages.map((each) => {
        const { name, version, architecture, carried: how } = each;
        const from = how.kind === 'delta' ? { from: how.from } : {};
        return { name, version, architecture, kind: how.kind, ...from, bytes: carriedSize(each) };
      }),
    };
  } finally {
    await bundle.close();
  }
}

/** Images of one release may carry the same filesystem layer once. */
function blobOf({ carried }: TargetLayer): [Digest, number][] {
  return carried.kind === 'reused' ? [] : [[carried.blob.digest, carried.blob.size]];
}

type Inspected = Pick<InspectedImage, 'layers' | 'packages'>;
type CarriedTarget = TargetLayer & { carried: Exclude<TargetLayer['carried'], { kind: 'reused' }> };

async function inspectImage(bundle: Bundle, image: BundleImage, options: InspectOptions): Promise<Inspected> {
  // A filesystem layer that stands twice in an image is carried once.
  const once = new Map<Digest, { target: CarriedTarget; number: number }>();
  for (const [number, target] of image.layers.entries()) {
    if (isCarried(target) && !once.has(target.diffId)) once.set(target.diffId, { target, number });
  }
  const account = await readAccount(bundle, image, [...once.values()]);
  const found =
    account === undefined
      ? await lookThrough(bundle, image, [...once.values()], options)
      : {
          layers: [...once.values()].map(({ target, number }) => fromAccount(target, number, account)),
          packages: account.packages === undefined ? null : describePackages(account.packages),
        };
  const byDiffId = new Map(found.layers.map((layer) => [layer.diffId, layer]));
  const reused = ({ diffId }: TargetLayer): InspectedLayer => ({ diffId, kind: 'reused', bytes: 0 });
  return { ...found, layers: image.layers.map((layer) => byDiffId.get(layer.diffId) ?? reused(layer)) };
}

function isCarried(layer: TargetLayer): layer is CarriedTarget {
  return layer.carried.kind !== 'reused';
}

function common({ diffId, carried }: CarriedTarget): Pick<InspectedLayer, 'diffId' | 'kind' | 'format' | 'bytes'> {
  const format = carried.kind === 'delta' ? { format: carried.format } : {};
  return { diffId, kind: carried.kind, ...format, bytes: carried.blob.size };
}

/** Undefined where there is none, or one in a format of another time. */
async function readAccount(
  bundle: Bundle,
  image: BundleImage,
  carried: readonly { target: CarriedTarget; number: number }[],
): Promise<Account | undefined> {
  const known = image.accounts.filter(({ mediaType }) => mediaType === accountType);
  const [descriptor] = known;
  if (descriptor === undefined) return undefined;
  try {
    if (known.length > 1) throw new AccountError(`there are ${known.length} of them`);
    if (descriptor.size > accountLimits.packed) throw new AccountError(`it has ${descriptor.size} bytes`);
    const parts: Buffer[] = [];
    for await (const chunk of bundle.blob(descriptor)) parts.push(chunk);
    const facts = carried.map(({ target: { diffId, carried: each }, number }) => {
      return { layer: number, diffId, bytes: each.blob.size, uncompressed: each.uncompressedSize };
    });
    return await decodeAccount(Buffer.concat(parts), facts);
  } catch (error) {
    if (!(error instanceof AccountError)) throw error;
    throw new Failure({
      doing: `reading the account in ${bundle.path}`,
      because: error.message,
      fix: 'it can be applied all the same, if it verifies; to look into it, make it anew with `imgbuild ota diff`',
      kind: 'input',
    });
  }
}

function fromAccount(target: CarriedTarget, number: number, account: Account): InspectedLayer {
  const { totals, advice } = account.layers.find(({ layer }) => layer === number)!;
  const files = account.files.filter(({ layer }) => layer === number);
  const all = sumOf(totals);
  const listed = files.reduce((sum, { size, bytes }) => plus(sum, { count: 1, size, bytes }), nothing);
  const unlisted = { count: all.count - listed.count, size: all.size - listed.size, bytes: all.bytes - listed.bytes };
  const { uncompressedSize: uncompressed } = target.carried;
  return {
    ...common(target),
    ...(uncompressed === undefined ? {} : { uncompressed }),
    overhead: target.carried.blob.size - all.bytes,
    totals: describeTotals(totals),
    files: files.map(describeAccounted),
    ...(unlisted.count === 0 ? {} : { unlisted }),
    advice,
  };
}

function describeAccounted({
  path,
  kind,
  source,
  size,
  differing,
  bytes,
  package: owner,
}: AccountedFile): InspectedFile {
  return {
    path,
    change: changeOf(kind),
    ...(source === undefined ? {} : { source }),
    size,
    ...(differing === undefined ? {} : { differing }),
    bytes,
    ...(owner === undefined ? {} : { package: named(owner) }),
  };
}

function named({ kind, name, version }: PackageName): PackageName {
  return { kind, name, version };
}

function describeTotals(totals: Totals): ChangeTotals {
  const entries = Object.entries(totals) as [keyof Totals, Total][];
  return Object.fromEntries(entries.map(([kind, total]) => [changeOf(kind), total]));
}

function describePackages({ listed, others, none }: NonNullable<Account['packages']>): InspectedPackages {
  return {
    listed: listed.map(({ totals, ...name }) => ({
      ...named(name),
      ...sumOf(totals),
      totals: describeTotals(totals),
    })),
    others: { packages: others.count, ...sumOf(others.totals) },
    none: sumOf(none),
  };
}

/** Where the bundle has no account: what its tar-diffs and whole layers bring is seen from themselves. */
async function lookThrough(
  bundle: Bundle,
  image: BundleImage,
  carried: readonly { target: CarriedTarget; number: number }[],
  options: InspectOptions,
): Promise<Inspected> {
  const layers: InspectedLayer[] = [];
  const entries: CarriedEntries[] = [];
  for (const { target, number } of carried) {
    const { kind, blob, uncompressedSize } = target.carried;
    if (target.carried.kind === 'delta' && target.carried.format === 'imgbuild') {
      const uncompressed = uncompressedSize === undefined ? {} : { uncompressed: uncompressedSize };
      layers.push({ ...common(target), ...uncompressed });
      continue;
    }
    const what = `the filesystem layer ${blob.digest} of ${bundle.path}`;
    const seen = await followLayer(kind, bundle.blob(blob), what);
    const bytes = wholeBytes(seen.entries.map(({ cost }) => cost));
    const files = seen.entries.map((entry, at) => describeSeen(entry, bytes[at]!));
    const accounted = { ...common(target), kind, layer: number, entries: seen.entries.map(accountSeen) };
    entries.push(accounted);
    const [{ totals }] = accountFor([accounted], undefined).layers as [Account['layers'][number]];
    layers.push({
      ...common(target),
      uncompressed: seen.size,
      headers: seen.literal - files.reduce((total, { literal = 0 }) => total + literal, 0),
      overhead: blob.size - sumOf(totals).bytes,
      totals: describeTotals(totals),
      files,
    });
  }
  if (carried.length === 0)
    return { layers, packages: describePackages({ listed: [], others: { count: 0, totals: {} }, none: {} }) };
  if (entries.length < carried.length) return { layers, packages: null };
  const from = options.from && sourceImage(image, options.from);
  const lists = await targetLists(bundle, image, from, options);
  if (lists === undefined) return { layers, packages: null };
  const ownerOf = ownersOf(
    lists,
    layers.flatMap(({ files = [] }) => files.map(({ path }) => path)),
  );
  for (const file of layers.flatMap(({ files = [] }) => files)) {
    const owner = ownerOf(file.path);
    if (owner !== undefined) file.package = owner;
  }
  return { layers, packages: describePackages(accountFor(entries, ownerOf).packages!) };
}

function sourceImage({ source }: BundleImage, from: ImageSet): SourceImage | undefined {
  return source && (from.images.find((each) => each.config.descriptor.digest === source.config) ?? from.images[0]);
}

function describeSeen(entry: SeenEntry, bytes: number): InspectedFile {
  const { path, size, copied, added, differing, literal } = entry;
  const { kind, ...source } = changeSeen(entry);
  return { path, change: changeOf(kind), ...source, size, copied, added, differing, literal, bytes };
}
