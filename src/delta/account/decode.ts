import { promisify } from 'node:util';
import { zstdDecompress } from 'node:zlib';
import type { Advice } from '../advice.ts';
import type { Account, AccountedFile, AccountedPackage } from './account.ts';
import { accountLimits, accountSchema, type AccountDocument } from './format.ts';
import { addTotal, addTotals, entryChanges, nothing, sumOf, type Total, type Totals } from './totals.ts';

const decompress = promisify(zstdDecompress);

/** A filesystem layer that is carried, as the bundle's manifests name it. */
export interface CarriedLayerFacts {
  /** Its number in the target, from 0. */
  layer: number;
  diffId: string;
  /** In the bundle. */
  bytes: number;
  /** Of its tar, where the bundle says it. */
  uncompressed: number | undefined;
}

/** Says what is wrong with an account; whoever reads the bundle says which one. */
export class AccountError extends Error {
  override name = 'AccountError';
}

/**
 * Reads an account and holds it against what is carried: sums must be those of the bundle. Throws an AccountError where
 * they are not, or the bytes make no account.
 */
export async function decodeAccount(bytes: Buffer, carried: readonly CarriedLayerFacts[]): Promise<Account> {
  const document = await parse(bytes);
  const facts = new Map(carried.map((each) => [each.layer, each]));
  const layers = document.layers.map(({ layer, totals: given, advice = [] }) => {
    const fact = facts.get(layer);
    if (fact === undefined) throw new AccountError(`it has the filesystem layer ${layer}, which is not carried once`);
    facts.delete(layer);
    const totals = totalsOf(given);
    const { bytes: sum, size } = sumOf(totals);
    if (sum > fact.bytes) throw new AccountError(`it has ${sum} bytes in a filesystem layer of ${fact.bytes}`);
    if (fact.uncompressed !== undefined && size > fact.uncompressed) {
      throw new AccountError(`it has files of ${size} bytes in a filesystem layer of ${fact.uncompressed}`);
    }
    return { layer, totals, advice: advice.map((each) => withDiffId(each, fact.diffId)) };
  });
  if (facts.size > 0) throw new AccountError(`it lacks ${facts.size} filesystem layers that are carried`);
  const packages = packagesOf(document);
  const files = filesOf(document, packages?.listed ?? []);
  const all = layers.map(({ totals }) => totals);
  if (packages !== undefined) {
    const spread = [...packages.listed.map(({ totals }) => totals), packages.others.totals, packages.none];
    expectEqual(joined(all), joined(spread));
  }
  for (const { layer, totals } of layers) {
    const listed: Totals = {};
    for (const { kind, size, bytes: own } of files.filter((file) => file.layer === layer)) {
      addTotal(listed, kind, { count: 1, size, bytes: own });
    }
    expectWithin(listed, totals);
  }
  if (files.some(({ layer }) => layers.every((each) => each.layer !== layer))) {
    throw new AccountError('it has a file of a filesystem layer that is not carried');
  }
  return { layers, packages, files };
}

async function parse(bytes: Buffer): Promise<AccountDocument> {
  let value: unknown;
  try {
    const text = await decompress(bytes, { maxOutputLength: accountLimits.text });
    value = JSON.parse(text.toString('utf8'));
  } catch (error) {
    const isLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    throw new AccountError(isLarge ? `it unpacks to more than ${accountLimits.text} bytes` : 'it is no zstd of JSON');
  }
  const parsed = accountSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new AccountError(`it is no account: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
}

function totalsOf(given: AccountDocument['layers'][number]['totals']): Totals {
  const totals: Totals = {};
  for (const kind of entryChanges) {
    const [count, size, bytes] = given[kind] ?? [];
    if (count !== undefined) totals[kind] = { count, size: size!, bytes: bytes! };
  }
  return totals;
}

function packagesOf({ packages }: AccountDocument): Account['packages'] {
  if (packages === null) return undefined;
  const listed = packages.listed.map(({ totals, version, ...name }): AccountedPackage => {
    return { ...name, version, totals: totalsOf(totals) };
  });
  const { count, totals } = packages.others ?? { count: 0, totals: {} };
  return { listed, others: { count, totals: totalsOf(totals) }, none: totalsOf(packages.none) };
}

function filesOf({ files }: AccountDocument, packages: readonly AccountedPackage[]): AccountedFile[] {
  return files.map(([layer, kind, size, bytes, number, path, from, differing]) => {
    if (number >= packages.length) throw new AccountError(`it has no package ${number}`);
    const source = from === '.' ? path : from;
    return {
      layer,
      kind,
      size,
      bytes,
      path,
      package: packages[number],
      ...(source === '' ? {} : { source }),
      ...(differing === undefined ? {} : { differing }),
    };
  });
}

function withDiffId(advice: NonNullable<AccountDocument['layers'][number]['advice']>[number], diffId: string): Advice {
  return advice.kind === 'only-times' ? { ...advice, diffId } : advice;
}

function joined(all: readonly Totals[]): Totals {
  const sum: Totals = {};
  for (const totals of all) addTotals(sum, totals);
  return sum;
}

function expectEqual(layers: Totals, packages: Totals): void {
  for (const kind of entryChanges) {
    const [a, b] = [layers[kind] ?? nothing, packages[kind] ?? nothing];
    if (a.count === b.count && a.size === b.size && a.bytes === b.bytes) continue;
    throw new AccountError(`its packages have ${describe(b, kind)}, and its filesystem layers ${describe(a, kind)}`);
  }
}

function expectWithin(files: Totals, layer: Totals): void {
  for (const kind of entryChanges) {
    const [some, all] = [files[kind] ?? nothing, layer[kind] ?? nothing];
    const isWithin = some.count <= all.count && some.size <= all.size && some.bytes <= all.bytes;
    const isAll = some.count < all.count || (some.size === all.size && some.bytes === all.bytes);
    if (isWithin && isAll) continue;
    throw new AccountError(`its files have ${describe(some, kind)}, and their filesystem layer ${describe(all, kind)}`);
  }
}

function describe({ count, size, bytes }: Total, kind: string): string {
  return `${count} ${kind} entries of ${size} bytes in ${bytes}`;
}
