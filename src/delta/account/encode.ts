import { promisify } from 'node:util';
import { constants, zstdCompress } from 'node:zlib';
import { blockSize } from '../../tar/header.ts';
import type { Advice } from '../advice.ts';
import { cut, type Account } from './account.ts';
import { accountLimits, type AccountDocument } from './format.ts';
import { entryChanges, type Totals } from './totals.ts';

const compress = promisify(zstdCompress);

/**
 * An account may take this part of the filesystem layers that it is about. Small ones grant more of themselves, up to so many
 * bytes, and one block of the bundle's tar at least.
 */
const share = 0.01;
const small = { share: 0.05, least: blockSize, most: 2048 };
/** Larger text is packed less hard: it would take seconds. */
const hardLimit = 4 * 1024 * 1024;
const levels = { trial: 3, large: 9, hard: 19 };
/** No row of a file takes less: more of them need not be tried. */
const smallestRow = 4;

export function accountLimit(carriedBytes: number): number {
  const ofSmall = Math.min(small.most, Math.max(small.least, Math.floor(carriedBytes * small.share)));
  return Math.min(accountLimits.packed, Math.max(ofSmall, Math.floor(carriedBytes * share)));
}

/**
 * The account as it goes into a bundle, of at most `limit` bytes: what is too much of it are the least costly files, then
 * packages. Undefined where not even the totals fit.
 */
export async function encodeAccount(account: Account, limit: number): Promise<Buffer | undefined> {
  const packages = account.packages?.listed.length ?? 0;
  const most = Math.min(account.files.length, Math.floor(limit / smallestRow));
  const fits = (listed: number, files: number) => isWithin(cut(account, listed, files), limit);
  if (most === account.files.length) {
    const all = await packed(cut(account, packages, most), limit);
    if (all !== undefined) return all;
  }
  const noFiles = (listed: number) => fits(listed, 0);
  const listed = (await noFiles(packages)) ? packages : await largest(packages - 1, noFiles);
  if (listed === undefined) return undefined;
  const files = await largest(most, (count) => fits(listed, count));
  return files === undefined ? undefined : packed(cut(account, listed, files), limit);
}

/** The largest number up to `most` for which it is so; undefined where it is not so for 0. */
async function largest(most: number, isSo: (number: number) => Promise<boolean>): Promise<number | undefined> {
  if (most < 0 || !(await isSo(0))) return undefined;
  let [good, bad] = [0, most + 1];
  while (bad - good > 1) {
    const middle = Math.floor((good + bad) / 2);
    if (await isSo(middle)) good = middle;
    else bad = middle;
  }
  return good;
}

async function isWithin(account: Account, limit: number): Promise<boolean> {
  const text = textOf(account);
  return text.length <= accountLimits.text && (await pack(text, levels.trial)).length <= limit;
}

async function packed(account: Account, limit: number): Promise<Buffer | undefined> {
  const text = textOf(account);
  if (text.length > accountLimits.text) return undefined;
  for (const level of [text.length > hardLimit ? levels.large : levels.hard, levels.trial]) {
    const bytes = await pack(text, level);
    if (bytes.length <= limit) return bytes;
  }
  return undefined;
}

function pack(text: Buffer, level: number): Promise<Buffer> {
  return compress(text, { params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 } });
}

function textOf({ layers, packages, files }: Account): Buffer {
  const numbers = new Map(packages?.listed.map((each, at) => [keyOf(each), at]));
  const document: AccountDocument = {
    schema: 1,
    layers: layers.map(({ layer, totals, advice }) => ({
      layer,
      totals: rows(totals),
      ...(advice.length === 0 ? {} : { advice: advice.map(withoutDiffId) }),
    })),
    packages:
      packages === undefined
        ? null
        : {
            listed: packages.listed.map(({ kind, name, version, totals }) => {
              return { kind, name, ...(version === undefined ? {} : { version }), totals: rows(totals) };
            }),
            ...(packages.others.count === 0
              ? {}
              : { others: { count: packages.others.count, totals: rows(packages.others.totals) } }),
            none: rows(packages.none),
          },
    files: files.map(({ layer, kind, size, bytes, package: owner, path, source, differing }) => {
      const number = (owner && numbers.get(keyOf(owner))) ?? -1;
      const from = source === path ? '.' : (source ?? '');
      const row: AccountDocument['files'][number] = [layer, kind, size, bytes, number, path, from];
      if (differing !== undefined) row.push(differing);
      return row;
    }),
  };
  return Buffer.from(JSON.stringify(document));
}

function keyOf({ kind, name, version }: { kind: string; name: string; version: string | undefined }): string {
  return `${kind} ${name} ${version ?? ''}`;
}

function rows(totals: Totals): AccountDocument['layers'][number]['totals'] {
  return Object.fromEntries(
    entryChanges.flatMap((kind) => {
      const total = totals[kind];
      return total === undefined ? [] : [[kind, [total.count, total.size, total.bytes]]];
    }),
  );
}

/** The number of the filesystem layer says it, in fewer bytes. */
function withoutDiffId(advice: Advice): NonNullable<AccountDocument['layers'][number]['advice']>[number] {
  return advice.kind === 'only-times' ? { kind: advice.kind, bytes: advice.bytes } : advice;
}
