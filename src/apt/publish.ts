import { mkdir, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { outputFailure } from '../deb/output-file.ts';
import { Failure } from '../failure.ts';
import { withFolderLock } from '../store/folder-lock.ts';
import { openArchive, withSlash, type Archive } from './archive.ts';
import { expire, sweep } from './expire.ts';
import { assetName, poolPath } from './file-names.ts';
import { sourcesName } from './index-page.ts';
import { findDebs, requireAssetSizes, type ReadPackage } from './intake.ts';
import { keyringPackage } from './keyring.ts';
import { identityOf, indexPackage, type IndexedPackage } from './package.ts';
import { checkPool, placeAsset, placeInPool } from './pool.ts';
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
    await mkdir(own, { recursive: true });
    await writeFile(join(own, '.gitignore'), '*\n', { flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  } catch (error) {
    throw outputFailure(site, error);
  }
  return withFolderLock(join(own, 'lock'), () => publishLocked(options, join(own, 'incoming')));
}

async function publishLocked(options: PublishOptions, incoming: string): Promise<Published> {
  const { site, suite, progress, signal } = options;
  await rm(incoming, { recursive: true, force: true });
  await mkdir(incoming);
  try {
    await sweep(site);
    const archive = await openArchive(options);
    if (options.debs === undefined && archive.current === undefined) {
      throw new Failure({
        doing: `publishing into ${site}`,
        because: `there is no suite ${suite} yet, and no packages were given`,
        fix: 'name the folder with the packages: imgbuild apt publish DIR -o SITE',
        kind: 'input',
      });
    }
    const all = [...archive.packages, ...archive.others.flatMap(({ packages }) => packages)];
    const mirrored = archive.assetsBase !== undefined;
    const { state } = archive;
    const pool = mirrored
      ? { stamps: {}, lost: new Map<string, string>() }
      : await checkPool(site, all, state, { verify: options.verify, progress, signal });
    const sources = options.debs === undefined ? [] : await findDebs(options.debs);
    if (options.debs !== undefined && sources.length === 0 && archive.current === undefined) throw noDebs(options.debs);
    if (mirrored) requireAssetSizes(sources);
    const keyring = await keyringSource(options, archive, incoming);

    const read = await takeIn([...sources, keyring.source], options, archive, pool.lost, incoming);
    const known = new Map(archive.packages.map((each) => [identityOf(each), each]));
    const fresh = read.filter((each) => !known.has(identityOf(each)));
    const listed = fresh.map((each) => ({ read: each, entry: listPackage(each, options, archive) }));
    requireOwnPaths([...all, ...listed.map(({ entry }) => entry)]);
    const { kept, dropped } = retain([...archive.packages, ...listed.map(({ entry }) => entry)], options.keep);
    const isKept = new Set(kept);

    // Files first: nothing refers to them yet.
    const added: PublishedPackage[] = [];
    const mended = read.filter((each) => known.has(identityOf(each)));
    for (const { read: each, entry } of [
      ...listed,
      ...mended.map((again) => ({ read: again, entry: known.get(identityOf(again))! })),
    ]) {
      if (!isKept.has(entry)) continue;
      signal?.throwIfAborted();
      let file = join(site, entry.filename);
      if (mirrored) file = await placeAsset(options.assets!.folder, basename(entry.filename), each);
      else if (pool.stamps[entry.filename] === undefined) {
        pool.stamps[entry.filename] = await placeInPool(site, entry.filename, each.staged!);
        pool.lost.delete(entry.filename);
      }
      state.taken[basename(each.source.path)] = { stamp: await sourceStamp(each.source.path), sha256: each.sha256 };
      if (known.has(identityOf(each))) continue;
      const { name, version, architecture, size, sha256, filename } = entry;
      added.push({ name, version, architecture, size, sha256, filename, file });
    }
    const stillListed = new Set(
      [...kept, ...archive.others.flatMap(({ packages }) => packages)].map((each) => each.filename),
    );
    const lost = [...pool.lost].find(([path]) => stillListed.has(path));
    if (lost !== undefined) {
      throw new Failure({
        doing: `checking ${join(site, lost[0])}`,
        because: `${lost[1]}, and the index lists it`,
        fix: 'publish that package again, or restore the file from a copy',
      });
    }
    const outcome = await writeSuite(options, archive, kept, { path: keyring.source.path, bytes: keyring.bytes });
    const droppedNames = dropped.map(({ filename }) => filename).filter((name) => !stillListed.has(name));
    state.pool = pool.stamps;
    const referenced = new Set([...stillListed, ...outcome.byHash]);
    state.superseded = await expire(site, suite, referenced, state.superseded, outcome.now);
    state.signedBy[suite] = options.keys.map(({ fingerprint }) => fingerprint);
    forgetTaken(state, kept, archive.others);
    await writeState(site, state);
    return {
      suite,
      changed: outcome.changed,
      added,
      dropped: droppedNames,
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

function listPackage(read: ReadPackage, { assets }: PublishOptions, archive: Archive): IndexedPackage {
  const { size, sha256 } = read;
  if (assets === undefined) return indexPackage(read.control, { filename: poolPath(read), size, sha256 });
  const folder = new URL(withSlash(assets.url)).href.slice(archive.assetsBase!.length);
  return indexPackage(read.control, { filename: `${decodeURIComponent(folder)}${assetName(read)}`, size, sha256 });
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

function noDebs(folder: string): Failure {
  return new Failure({
    doing: `looking for packages in ${folder}`,
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

function forgetTaken(state: SiteState, kept: readonly IndexedPackage[], others: Archive['others']): void {
  const hashes = new Set([...kept, ...others.flatMap(({ packages }) => packages)].map(({ sha256 }) => sha256));
  state.taken = Object.fromEntries(Object.entries(state.taken).filter(([, { sha256 }]) => hashes.has(sha256)));
}
