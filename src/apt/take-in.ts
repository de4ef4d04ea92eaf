import { readFile, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { compareDebianVersions } from '../deb/version.ts';
import { Failure } from '../failure.ts';
import type { Archive } from './archive.ts';
import { readSource, type ReadPackage, type SourceFile } from './intake.ts';
import { keyringBytes, keyringPackage, writeKeyringPackage } from './keyring.ts';
import { identityOf, type IndexedPackage } from './package.ts';
import type { PublishOptions } from './publish-options.ts';
import { sourceStamp, type SiteState } from './state.ts';

/** The package with the keys: that of before where they are the same ones. */
export async function keyringSource(
  { site }: PublishOptions,
  archive: Archive,
  incoming: string,
): Promise<{ source: SourceFile; bytes: Buffer }> {
  const name = keyringPackage(archive.origin);
  const bytes = keyringBytes(archive.keys);
  const before = await readFile(join(site, `${name}.gpg`)).catch(() => undefined);
  const published = join(site, `${name}.deb`);
  const source = async (path: string): Promise<SourceFile> => {
    const { size } = await stat(path);
    return { path, name: `${name}.deb`, size, stamp: await sourceStamp(path) };
  };
  const versions = [...archive.packages, ...archive.others.flatMap(({ packages }) => packages)]
    .filter((each) => each.name === name)
    .map(({ version }) => version)
    .toSorted(compareDebianVersions);
  const isSame = before?.equals(bytes) && versions.length > 0;
  if (isSame && (await stat(published).catch(() => undefined)) !== undefined)
    return { source: await source(published), bytes };
  const latest = versions.at(-1);
  const version = latest === undefined ? '1' : String(Number.parseInt(latest, 10) + 1);
  const made = join(incoming, `${name}.deb`);
  await writeKeyringPackage(made, archive.origin, version, archive.keys);
  return { source: await source(made), bytes };
}

/** Reads the packages that are not known; returns those that are new, and those whose file in the pool is lost. */
export async function takeIn(
  sources: readonly SourceFile[],
  options: PublishOptions,
  archive: Archive,
  lost: ReadonlyMap<string, string>,
  incoming: string,
): Promise<ReadPackage[]> {
  const { progress, signal } = options;
  const { state, packages } = archive;
  const known = new Map(packages.map((each) => [identityOf(each), each]));
  const elsewhere = new Map(
    archive.others.flatMap(({ packages: listed }) => listed).map((each) => [identityOf(each), each]),
  );
  const hashes = new Set(packages.filter(({ filename }) => !lost.has(filename)).map(({ sha256 }) => sha256));
  const isOutdated = outdated(packages, options.keep);
  const taken = new Map<string, ReadPackage>();
  for (const [index, source] of sources.entries()) {
    signal?.throwIfAborted();
    const before = state.taken[basename(source.path)];
    if (before?.stamp === source.stamp && (hashes.has(before.sha256) || isOutdated(before.dropped))) continue;
    const stage = archive.assetsBase === undefined ? join(incoming, `${index}.deb`) : undefined;
    const read = await readSource(source, stage, progress, signal);
    const identity = identityOf(read);
    const other = known.get(identity) ?? taken.get(identity);
    const published = other ?? elsewhere.get(identity);
    if (published !== undefined && published.sha256 !== read.sha256) {
      throw new Failure({
        doing: `publishing ${source.name}`,
        because: `${read.name} ${read.version} for ${read.architecture} is published with other contents`,
        fix: 'give it a higher version: what devices have by that name and version never changes',
        kind: 'input',
      });
    }
    if (taken.has(identity) || (other !== undefined && !lost.has((other as IndexedPackage).filename))) {
      state.taken[basename(source.path)] = { stamp: source.stamp, sha256: read.sha256 };
      if (read.staged !== undefined) await rm(read.staged);
    } else taken.set(identity, read);
  }
  return [...taken.values()];
}

/** Whether so many newer versions of a package are listed that this one would not be kept. */
function outdated(
  packages: readonly IndexedPackage[],
  keep: number | undefined,
): (known: SiteState['taken'][string]['dropped']) => boolean {
  return (known) =>
    known !== undefined &&
    keep !== undefined &&
    packages.filter(
      ({ name, version, architecture }) =>
        name === known.name && architecture === known.architecture && compareDebianVersions(version, known.version) > 0,
    ).length >= keep;
}
