import type { SavedDebs } from '../deb/saved-debs.ts';
import { findBranches } from '../plan/branch.ts';
import { findRevision } from '../release/revision.ts';
import { readRelease } from '../release/release-store.ts';
import { parseVersion } from '../release/version.ts';
import { openCache } from './models.ts';
import type { Project } from './open.ts';

/**
 * Where the project's packages are saved. `version`: of the release that they are for; undefined where they are for none.
 * A release that is there already has its packages: none is saved for it, and what came after it does not count.
 */
export async function openSavedDebs(
  project: Project,
  options: { version: string | undefined; force: boolean; env: NodeJS.ProcessEnv },
): Promise<SavedDebs> {
  const { config, store } = project;
  const { force, env } = options;
  const version = options.version === undefined ? undefined : parseVersion(options.version);
  const isReleased = version !== undefined && (await readRelease(store, version)) !== undefined;
  const { current, fallback } = await findBranches(config.root, env);
  const revision = (await findRevision(config.root, env)) ?? undefined;
  const hashes = (await openCache(project, env)).hashes();
  return { store, branches: isReleased ? [] : [current, fallback], version, revision, hashes, force };
}
