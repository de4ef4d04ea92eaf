import { compareDebianVersions } from '../deb/version.ts';
import type { SavedDebs } from '../deb/saved-debs.ts';
import { inParallel } from '../fetch/in-parallel.ts';
import { findBranches } from '../plan/branch.ts';
import { findRevision } from '../release/revision.ts';
import type { ReleasedDeb } from '../release/release-json.ts';
import { listReleases, readRelease } from '../release/release-store.ts';
import { compareVersions, parseVersion, type Version } from '../release/version.ts';
import type { LayerStore } from '../store/layer-store.ts';
import { openCache } from './models.ts';
import type { Project } from './open.ts';

/**
 * Where the project's packages are saved. `version`: of the release that they are for; undefined where they are for none.
 * A release that is there already has its packages: none is saved for it, and what came after it does not count.
 */
export async function openSavedDebs(
  project: Project,
  options: { version: string | undefined; force: boolean; env: NodeJS.ProcessEnv; signal?: AbortSignal | undefined },
): Promise<SavedDebs> {
  const { config, store } = project;
  const { force, env, signal } = options;
  const version = options.version === undefined ? undefined : parseVersion(options.version);
  const there = version === undefined ? undefined : await readRelease(store, version);
  const { current, fallback } = await findBranches(config.root, env);
  const revision = (await findRevision(config.root, env)) ?? undefined;
  const hashes = (await openCache(project, env)).hashes();
  const common = { store, version, revision, hashes, force };
  if (there !== undefined) {
    return { ...common, branches: [], inRelease: new Set(there.release.debs.map(({ sha256 }) => sha256)) };
  }
  const before = version === undefined ? {} : { before: releasedBefore(store, version, signal) };
  return { ...common, branches: [current, fallback], ...before };
}

/** Releases that are read side by side. */
const releasesAtOnce = 8;

/**
 * Yanked releases count, and those that were made later under a lower version: devices may have any of them. Each
 * release is read once, and only those after `since`, the one that a package was packed for.
 */
function releasedBefore(
  store: LayerStore,
  version: Version,
  signal: AbortSignal | undefined,
): NonNullable<SavedDebs['before']> {
  let listed: Promise<Version[]> | undefined;
  const read = new Map<Version, Promise<readonly ReleasedDeb[]>>();
  const debsOf = (each: Version) => {
    const known = read.get(each) ?? readRelease(store, each).then((found) => found?.release.debs ?? []);
    read.set(each, known);
    return known;
  };
  return async ({ name, architecture }, since) => {
    const all = await (listed ??= listReleases(store).then((known) => known.map((each) => each.version)));
    const after = since === undefined ? undefined : parseVersion(since);
    const between = all.filter(
      (each) => compareVersions(each, version) < 0 && (after === undefined || compareVersions(each, after) > 0),
    );
    const debs = await inParallel(between, releasesAtOnce, signal, debsOf);
    return debs
      .flat()
      .filter((deb) => deb.name === name && deb.architecture === architecture)
      .map((deb) => deb.version)
      .toSorted(compareDebianVersions)
      .at(-1);
  };
}
