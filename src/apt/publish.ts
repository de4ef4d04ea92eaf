import { mkdir, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { makeFolder } from '../files/make-folder.ts';
import { outputFailure } from '../deb/output-file.ts';
import { Failure } from '../failure.ts';
import { withFolderLock } from '../store/folder-lock.ts';
import { openArchive, type Archive } from './archive.ts';
import { expire, sweep } from './expire.ts';
import { assetCountLimit, assetName, poolPath } from './file-names.ts';
import { sourcesName } from './index-page.ts';
import { findDebs, requireAssets, type ReadPackage, type SourceFile } from './intake.ts';
import { keyringPackage } from './keyring.ts';
import { identityOf, indexPackage, type IndexedPackage } from './package.ts';
import { checkAssets, checkPool, placeAsset, placeInPool } from './pool.ts';
import type { PublishOptions } from './publish-options.ts';
import { retain } from './retention.ts';
import { sourceStamp, writeState, type SiteState } from './state.ts';
import { keyringSource, takeIn } from './take-in.ts';
import { writeSuite } from './write-suite.ts';

export interface PublishedPackage {
  name: string;
  version: string;
  architecture: string;
  size: number;
  sha256: string;
  /** As in the index. */
  filename: string;
  /** Absolute path of the file in the pool, or of the one to upload. */
  file: string;
}

export interface Published {
  suite: string;
  /** Whether readers see anything new. */
  changed: boolean;
  /** Packages that were not listed before. */
  added: PublishedPackage[];
  /** Packages that are listed no more, as `Filename`. */
  dropped: string[];
  /** How many packages the suite lists. */
  packages: number;
  date: Date;
  validUntil: Date | undefined;
  /** Fingerprints of the keys that signed. */
  keys: string[];
  /** Absolute paths for users to copy. */
  sources: string;
  keyring: string;
}

/**
 * Publishes packages in an archive that apt reads (the "repository format" of Debian): adds those in `debs` to what the
 * site lists. InRelease is renamed into place last: a reader sees the old archive or the new one, and so it is after a
 * kill at any point. Publishers of one site wait for each other. Throws a Failure.
 */
export async function publish(options: PublishOptions): Promise<Published> {
  const { site } = options;
  requireSuite(options.suite);
  if (options.keys.length === 0) {
    throw new Failure({
      doing: `publishing into ${site}`,
      because: 'there is no key to sign with',
      fix: 'give --sign-key FILE or the key itself in IMGBUILD_SIGNING_KEY; `imgbuild apt key new FILE` makes one',
      kind: 'input',
    });
  }
  const own = join(site, '.imgbuild');
  try {
    await makeFolder(own);
    await writeFile(join(own, '.gitignore'), '*\n', { flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  } catch (error) {
    throw outputFailure(site, error);
  }
  const notice = setTimeout(() => options.progress.note(`waiting for another publication into ${site}`), 1000);
  try {
    const work = () => {
      clearTimeout(notice);
      return publishLocked(options, join(own, 'incoming'));
    };
    // Another one may have gigabytes to read.
    return await withFolderLock(join(own, 'lock'), work, { patience: 60 * 60 * 1000, signal: options.signal });
  } finally {
    clearTimeout(notice);
  }
}

async function publishLocked(options: PublishOptions, incoming: string): Promise<Published> {
  const { site, suite, progress, signal } = options;
  await rm(incoming, { recursive: true, force: true });
  await mkdir(incoming);
  try {
    await sweep(site, options.assets?.folder);
    const archive = await openArchive(options);
    const { state, packages: before } = archive;
    const elsewhere = archive.others.flatMap(({ packages }) => packages);
    const sources = options.debs === undefined ? [] : await findDebs(options.debs, site);
    if (sources.length === 0 && archive.current === undefined) throw nothingToPublish(options);
    const mirrored = archive.assetsBase !== undefined;
    if (mirrored) requireAssets(sources);
    const pool = mirrored
      ? await checkAssets(options.assets?.folder, archive.inAssets, before)
      : await checkPool(site, [...before, ...elsewhere], state, { verify: options.verify, progress, signal });

    const keyring = await keyringSource(options, archive, incoming);
    const read = await takeIn([...sources, keyring.source], options, archive, pool.lost, incoming);
    const known = new Map(before.map((each) => [identityOf(each), each]));
    const listed = read.map((each) => {
      const entry = known.get(identityOf(each));
      return { read: each, entry: entry ?? listPackage(each, archive), isNew: entry === undefined };
    });
    const all = [...before, ...listed.filter(({ isNew }) => isNew).map(({ entry }) => entry)];
    requireOwnPaths([...all, ...elsewhere]);
    if (archive.inAssets !== undefined) requireFewAssets(all, archive.inAssets);
    const { kept, dropped } = retain(all, options.keep);
    const isDropped = new Set(dropped);

    // Files first: nothing refers to them yet.
    const added: PublishedPackage[] = [];
    for (const { read: each, entry, isNew } of listed) {
      const { name, version, architecture, size, sha256, filename } = entry;
      const taken = { stamp: each.source.stamp, sha256 };
      state.taken[basename(each.source.path)] = taken;
      if (isDropped.has(entry)) continue;
      signal?.throwIfAborted();
      let file = join(site, filename);
      if (mirrored) file = await placeAsset(options.assets!.folder, basename(filename), each);
      else if (pool.stamps[filename] === undefined)
        pool.stamps[filename] = await placeInPool(site, filename, each.staged!);
      pool.lost.delete(filename);
      // A link to the file has changed its stamp.
      taken.stamp = await sourceStamp(each.source.path);
      if (isNew) added.push({ name, version, architecture, size, sha256, filename, file });
    }
    const stillListed = new Set([...kept, ...elsewhere].map(({ filename }) => filename));
    if (!mirrored) requireFiles(site, pool.lost, stillListed);
    const outcome = await writeSuite(options, archive, kept, { path: keyring.source.path, bytes: keyring.bytes });
    state.pool = pool.stamps;
    const referenced = new Set([...stillListed, ...outcome.byHash]);
    state.superseded = await expire(site, suite, referenced, state.superseded, outcome.now);
    state.signedBy[suite] = options.keys.map(({ fingerprint }) => fingerprint);
    state.taken = noteDropped(state, [...kept, ...elsewhere], dropped, sources);
    await writeState(site, state);
    return {
      suite,
      changed: outcome.changed,
      added,
      dropped: dropped
        .filter((each) => known.has(identityOf(each)) && !stillListed.has(each.filename))
        .map(({ filename }) => filename),
      packages: kept.length,
      date: outcome.release.date,
      validUntil: outcome.release.validUntil,
      keys: options.keys.map(({ fingerprint }) => fingerprint),
      sources: join(site, sourcesName(archive.origin, suite)),
      keyring: join(site, `${keyringPackage(archive.origin)}.deb`),
    };
  } finally {
    await rm(incoming, { recursive: true, force: true });
  }
}

function listPackage(read: ReadPackage, { assetsBase, inAssets }: Archive): IndexedPackage {
  const { size, sha256 } = read;
  if (assetsBase === undefined) return indexPackage(read.control, { filename: poolPath(read), size, sha256 });
  if (inAssets !== undefined)
    return indexPackage(read.control, { filename: `${inAssets}${assetName(read)}`, size, sha256 });
  throw new Failure({
    doing: `publishing ${read.name} ${read.version}`,
    because: `the packages of this archive are release assets, at ${assetsBase}`,
    fix: 'say with --assets-url where those of this release are',
    kind: 'input',
  });
}

/** Throws where the index would list a file that is not there. */
function requireFiles(site: string, lost: ReadonlyMap<string, string>, listed: ReadonlySet<string>): void {
  for (const [path, because] of lost) {
    if (!listed.has(path)) continue;
    throw new Failure({
      doing: `checking ${join(site, path)}`,
      because: `${because}, and the index lists it`,
      fix: 'publish that package again, or restore the file from a copy',
    });
  }
}

/** Two packages under one path: versions that differ in the epoch alone, or in what an asset's name cannot say. */
function requireOwnPaths(packages: readonly IndexedPackage[]): void {
  const byPath = new Map<string, IndexedPackage>();
  for (const each of packages) {
    const other = byPath.get(each.filename);
    byPath.set(each.filename, each);
    if (other === undefined || other.sha256 === each.sha256) continue;
    throw new Failure({
      doing: `publishing ${each.name} ${each.version}`,
      because: `its file would be ${each.filename}, which is that of ${other.name} ${other.version}`,
      fix: 'give it a version that differs in more than the epoch or a ~',
      kind: 'input',
    });
  }
}

function requireFewAssets(packages: readonly IndexedPackage[], inAssets: string): void {
  const count = packages.filter(({ filename }) => filename.startsWith(inAssets)).length;
  if (count <= assetCountLimit) return;
  throw new Failure({
    doing: `publishing ${count} packages as assets of one release`,
    because: `a release on GitHub has at most ${assetCountLimit}`,
    fix: 'publish them in several turns, each with the --assets-url of another release',
    kind: 'input',
  });
}

function nothingToPublish({ debs, site, suite }: PublishOptions): Failure {
  if (debs === undefined) {
    return new Failure({
      doing: `publishing into ${site}`,
      because: `there is no suite ${suite} yet, and no packages were given`,
      fix: 'name the folder with the packages: imgbuild apt publish DIR -o SITE',
      kind: 'input',
    });
  }
  return new Failure({
    doing: `looking for packages in ${debs}`,
    because: 'there is no .deb',
    fix: 'pack some first: imgbuild debs -o DIR',
    kind: 'input',
  });
}

function requireSuite(suite: string): void {
  if (/^[A-Za-z0-9][A-Za-z0-9.+-]{0,63}$/.test(suite)) return;
  throw new Failure({
    doing: `publishing the suite ${JSON.stringify(suite)}`,
    because: 'a suite is letters, digits, dots, plus and hyphens',
    fix: 'name it as in stable or beta',
    kind: 'input',
  });
}

/** Of what is listed no more, keeps what stood among the sources of this time, so that it need not be read again. */
function noteDropped(
  { taken }: SiteState,
  listed: readonly IndexedPackage[],
  dropped: readonly IndexedPackage[],
  sources: readonly SourceFile[],
): SiteState['taken'] {
  const hashes = new Set(listed.map(({ sha256 }) => sha256));
  const displaced = new Map(dropped.map((each) => [each.sha256, each]));
  const names = new Set(sources.map(({ path }) => basename(path)));
  const kept = Object.entries(taken).flatMap(([file, { stamp, sha256, dropped: before }]) => {
    if (hashes.has(sha256)) return [[file, { stamp, sha256 }] as const];
    const { name, version, architecture } = displaced.get(sha256) ?? before ?? {};
    if (name === undefined || version === undefined || architecture === undefined || !names.has(file)) return [];
    return [[file, { stamp, sha256, dropped: { name, version, architecture } }] as const];
  });
  return Object.fromEntries(kept);
}
