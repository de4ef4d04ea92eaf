import { mkdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { outputFailure } from '../deb/output-file.ts';
import { replaceFile } from '../files/durable-write.ts';
import { clearsign } from '../signing/clearsign.ts';
import type { Archive } from './archive.ts';
import { formatIndexPage, sourcesName } from './index-page.ts';
import { keyringPackage } from './keyring.ts';
import { makeIndex } from './make-index.ts';
import type { IndexedPackage } from './package.ts';
import type { PublishOptions } from './publish-options.ts';
import { formatRelease, type Release } from './release-file.ts';
import { formatMirrors, formatSources } from './sources-file.ts';
import { byHashPath } from './suite.ts';

/** What was written. */
export interface Outcome {
  changed: boolean;
  release: Release;
  /** Of the site: what the new Release lists. */
  byHash: string[];
  now: Date;
}

/**
 * Writes indexes, keys, sources and page of a suite, in an order in which a reader finds what it was told of: InRelease,
 * which tells of all the rest, comes after everything that it names. What is there already is left as it is.
 */
export async function writeSuite(
  options: PublishOptions,
  archive: Archive,
  packages: readonly IndexedPackage[],
  keyring: { path: string; bytes: Buffer },
): Promise<Outcome> {
  const { site, suite, keys, signal } = options;
  const folder = join(site, 'dists', suite);
  const before = archive.current?.release;
  const architectures = [...new Set(packages.map(({ architecture }) => architecture))].toSorted();
  const indexes = await Promise.all(
    architectures.map((architecture) =>
      makeIndex(
        architecture,
        packages.filter((each) => each.architecture === architecture),
        before?.entries ?? [],
        options.progress,
      ),
    ),
  );
  const now = options.now ?? new Date();
  // Readers take no Release that is older than theirs.
  const date = new Date(Math.max(Math.floor(now.getTime() / 1000) * 1000, (before?.date.getTime() ?? 0) + 1000));
  const release: Release = {
    origin: archive.origin,
    suite,
    date,
    validUntil: options.validDays === undefined ? undefined : new Date(date.getTime() + options.validDays * 86_400_000),
    architectures,
    entries: indexes.flatMap(({ entries }) => entries),
  };
  const text = formatRelease(release);
  const sameAsBefore =
    before !== undefined &&
    before.validUntil === undefined &&
    formatRelease({ ...before, date }) === text &&
    archive.state.signedBy[suite]?.join() === keys.map(({ fingerprint }) => fingerprint).join();

  const put = async (path: string, bytes: string | Uint8Array) => {
    signal?.throwIfAborted();
    const file = join(site, path);
    const there = await readFile(file).catch(() => undefined);
    if (there?.equals(Buffer.from(bytes))) return;
    try {
      await mkdir(dirname(file), { recursive: true });
      await replaceFile(file, (handle) => handle.writeFile(bytes));
    } catch (error) {
      throw outputFailure(file, error);
    }
  };
  const files = indexes.flatMap((index) => index.files);
  for (const { path, sha256, bytes } of files) await put(byHashPath(`dists/${suite}/${path}`, sha256), bytes);
  for (const { path, bytes } of files) await put(`dists/${suite}/${path}`, bytes);
  const name = keyringPackage(archive.origin);
  await put(`${name}.deb`, await readFile(keyring.path));
  await put(`${name}.gpg`, keyring.bytes);
  await put(`${name}.asc`, archive.keys.map(({ armoured }) => armoured.replaceAll('\r', '')).join('\n'));
  const mirrored = archive.assetsBase !== undefined;
  if (mirrored) await put('mirrors.txt', formatMirrors(archive.base!, archive.assetsBase!));
  const base = archive.base ?? `${pathToFileURL(site).href}/`;
  await put(sourcesName(archive.origin, suite), formatSources(archive.origin, suite, { base, mirrored }));
  if (!sameAsBefore) {
    const signed = await clearsign(text, keys);
    await put(`dists/${suite}/Release`, text);
    // The switch: everything that it names is in place.
    await put(`dists/${suite}/InRelease`, signed);
  }
  const page = formatIndexPage({
    origin: archive.origin,
    base: archive.base,
    files: archive.assetsBase ?? '',
    date: sameAsBefore ? before.date : date,
    suites: [{ name: suite, packages }, ...archive.others].toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    fingerprints: archive.keys.map(({ fingerprint }) => fingerprint),
  });
  await put('index.html', page);
  for (const gone of before?.architectures.filter((each) => !architectures.includes(each)) ?? []) {
    for (const end of ['xz', 'zst']) await rm(join(folder, `main/binary-${gone}/Packages.${end}`), { force: true });
  }
  const listed = release.entries.map(({ path, sha256 }) => byHashPath(`dists/${suite}/${path}`, sha256));
  return { changed: !sameAsBefore, release: sameAsBefore ? before : release, byHash: listed, now };
}
