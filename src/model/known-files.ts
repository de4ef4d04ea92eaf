import { lstat } from 'node:fs/promises';
import { convertedBefore } from './convert.ts';
import type { BlobCache } from '../fetch/blob-cache.ts';
import type { SurveyedModel } from './survey.ts';

/** A file of a model; `path`: its place in it. */
export interface KnownFile {
  path: string;
  /** In bytes. */
  size: number;
}

/**
 * The files of a model as far as that can be told without fetching or converting: undefined where one is not here, or is
 * part of an artifact elsewhere. Sizes are looked at, and no file is read.
 */
export async function knownFiles(surveyed: SurveyedModel, cache: BlobCache): Promise<KnownFile[] | undefined> {
  const { model, local, remote, tools } = surveyed;
  const files = local.map(({ to, size, sha256 }) => ({ to, size, sha256 }));
  for (const source of remote) {
    if (source.from === 'oci') return undefined;
    const { as: to, sha256 } = source;
    const size = model.convert === undefined ? await sizeOf(cache, sha256) : 0;
    if (size === undefined) return undefined;
    files.push({ to, size, sha256 });
  }
  if (model.convert === undefined) return files.map(({ to: path, size }) => ({ path, size }));
  const made = await convertedBefore({ convert: model.convert, sources: files, tools, cache });
  if (made === undefined) return undefined;
  const sizes = await Promise.all(made.map(({ sha256 }) => sizeOf(cache, sha256)));
  const known = made.flatMap(({ to: path }, index) => (sizes[index] === undefined ? [] : { path, size: sizes[index] }));
  return known.length === made.length ? known : undefined;
}

async function sizeOf(cache: BlobCache, sha256: string): Promise<number | undefined> {
  return lstat(cache.pathOf(sha256)).then(
    ({ size }) => size,
    () => undefined,
  );
}
