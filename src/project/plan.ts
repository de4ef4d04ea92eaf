import { openWorkTree, type WorkTree } from '../context/context.ts';
import type { Lock } from '../lock/lock.ts';
import { resolveMissing } from '../lock/resolve.ts';
import { platformName } from '../oci/platform.ts';
import { findBranches, type Branches } from '../plan/branch.ts';
import type { ChainLink } from '../plan/chain.ts';
import type { FormerImage } from '../plan/compare.ts';
import { layersNamed } from '../plan/graph.ts';
import { planLayers, type PlannedChain } from '../plan/plan-layers.ts';
import type { Progress } from '../progress.ts';
import { lastSaved, readInputs, readInputsOf } from '../store/saved-layer.ts';
import { baseSources } from './base-sources.ts';
import { lockedChain } from './chain.ts';
import type { Project } from './open.ts';
import { openPackages } from './packages.ts';

export interface ProjectPlanOptions {
  /** Empty: all layers. */
  layers: readonly string[];
  force: readonly string[];
  /** Refuse to resolve bases that imgbuild.lock lacks. */
  frozen: boolean;
  /** A release that all layers are compared with, in place of the last builds of the branch. */
  against?: string | undefined;
  /** The files below the root, where they are being listed already. */
  tree?: Promise<WorkTree>;
  /** That of the builds; the process's where absent. */
  env?: NodeJS.ProcessEnv;
  progress: Progress;
  signal?: AbortSignal | undefined;
}

/** The last images saved from this branch, or from the default branch where this one has none. */
function lastOfBranch({ store, config }: Project) {
  let branches: Promise<Branches> | undefined;
  return async (link: ChainLink): Promise<FormerImage | undefined> => {
    const repository = link.layer.image.path;
    const sharing = config.layers.filter(({ image, name }) => image.path === repository && name !== link.layer.name);
    const among = { layer: link.layer.name, others: sharing.map(({ name }) => name) };
    const { current, fallback } = await (branches ??= findBranches(config.root, process.env));
    for (const branch of new Set([current, fallback])) {
      const record = await lastSaved(store, repository, branch, link.platform, among);
      const inputs = record && (await readInputsOf(store, repository, record));
      if (record && inputs) return { digest: record.image.digest, fingerprint: record.fingerprint, inputs };
    }
    return undefined;
  };
}

/** The images of a release, by their layers. Throws a Failure when there is no such release. */
async function imagesOfRelease({ store }: Project, text: string) {
  const { noSuchRelease, readRelease } = await import('../release/release-store.ts');
  const { parseVersion } = await import('../release/version.ts');
  const version = parseVersion(text);
  const released = await readRelease(store, version);
  if (!released) throw await noSuchRelease(store, `comparing with ${version}`);
  return async (link: ChainLink): Promise<FormerImage | undefined> => {
    const platform = platformName(link.platform);
    const then = released.release.fingerprints.find(
      (each) => each.layer === link.layer.name && each.platform === platform,
    );
    const inputs = then && (await readInputs(store, then.repository, then.fingerprint));
    return then && inputs && { digest: then.digest, fingerprint: then.fingerprint, inputs };
  };
}

/** A plan with the bases that it was made for, also those that imgbuild.lock lacks. */
export type ProjectPlan = PlannedChain & { lock: Lock };

/** Plans a project: bases from imgbuild.lock, those it lacks resolved for this plan alone. Writes no tracked file. */
export async function planProject(project: Project, options: ProjectPlanOptions): Promise<ProjectPlan> {
  const { config, store } = project;
  const { frozen, against, progress, signal } = options;
  const layers = layersNamed(config, options.layers);
  const force = layersNamed(config, options.force);
  await store.check?.('read');
  const former = against === undefined ? undefined : await imagesOfRelease(project, against);
  // Listing the files takes longest: it begins before the Dockerfiles are read.
  const opening = options.tree ?? openWorkTree(config.root, { signal });
  opening.catch(() => {});
  const sources = { ...baseSources(config, options.signal), progress };
  const { chain, lock } = await lockedChain(config, async (needs, found = project.lock) => {
    const { lock: filled, resolved } = await resolveMissing(found, needs, sources, { frozen, now: new Date() });
    for (const base of resolved)
      progress.note(`imgbuild.lock lacks ${base}, looked up now: \`imgbuild lock\` writes it down`);
    return filled;
  });
  const packages = await openPackages(project, { checks: frozen ? 'require' : 'keep', progress, signal });
  const tree = await opening;
  try {
    const planned = await planLayers({
      config,
      chain,
      lock,
      store,
      tree,
      layers,
      force,
      former: former ?? lastOfBranch(project),
      compareReused: former !== undefined,
      findPackages: packages.find,
      env: options.env ?? process.env,
      signal,
    });
    await packages.save();
    return { ...planned, lock };
  } finally {
    await tree.close();
  }
}
