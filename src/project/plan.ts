import { openWorkTree } from '../context/context.ts';
import type { Lock } from '../lock/lock.ts';
import { resolveMissing } from '../lock/resolve.ts';
import { findBranches } from '../plan/branch.ts';
import { readChain, type ChainLink } from '../plan/chain.ts';
import type { FormerImage } from '../plan/compare.ts';
import { planLayers, type PlannedChain } from '../plan/plan-layers.ts';
import { lastSaved, readInputsOf } from '../store/saved-layer.ts';
import { baseSources } from './base-sources.ts';
import { needsOf } from './needs.ts';
import type { Project } from './open.ts';

export interface ProjectPlanOptions {
  /** Empty: all layers. */
  layers: readonly string[];
  force: readonly string[];
  /** Refuse to resolve bases that imgbuild.lock lacks. */
  frozen: boolean;
  /** A release to compare with, in place of the last build of the branch. */
  against?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** The last image saved from this branch, or from the default branch where this one has none. */
async function lastOfBranch(project: Project, repository: string, link: ChainLink): Promise<FormerImage | undefined> {
  const { store, config } = project;
  const { current, fallback } = await findBranches(config.root, process.env);
  for (const branch of new Set([current, fallback])) {
    const record = await lastSaved(store, repository, branch, link.platform);
    const inputs = record && (await readInputsOf(store, repository, record));
    if (record && inputs) return { digest: record.image.digest, fingerprint: record.fingerprint, inputs };
  }
  return undefined;
}

/** A plan with the bases that it was made for, also those that imgbuild.lock lacks. */
export type ProjectPlan = PlannedChain & { lock: Lock };

/** Plans a project: bases from imgbuild.lock, those it lacks resolved for this plan alone. Writes no tracked file. */
export async function planProject(project: Project, options: ProjectPlanOptions): Promise<ProjectPlan> {
  const { config, store } = project;
  const [chain, tree] = await Promise.all([readChain(config), openWorkTree(config.root, { signal: options.signal })]);
  const { lock } = await resolveMissing(project.lock, needsOf(config, chain), baseSources(config), {
    frozen: options.frozen,
    now: new Date(),
  });
  try {
    const planned = await planLayers({
      config,
      chain,
      lock,
      store,
      tree,
      layers: options.layers,
      force: options.force,
      former: (repository, link) => lastOfBranch(project, repository, link),
      signal: options.signal,
    });
    return { ...planned, lock };
  } finally {
    await tree.close();
  }
}
