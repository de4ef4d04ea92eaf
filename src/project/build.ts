import { detectEngine } from '../engine/detect.ts';
import type { Plan } from '../plan/plan.ts';
import { findBranches } from '../plan/branch.ts';
import { layersNamed } from '../plan/graph.ts';
import { run } from '../process/run.ts';
import type { Progress } from '../progress.ts';
import type { Project } from './open.ts';
import { planProject, type ProjectPlan } from './plan.ts';
import { buildLayers } from '../build/build-layers.ts';
import type { BuildReport, LayerEvent } from '../build/event.ts';

export interface BuildPlannedOptions {
  /** Names of layers whose steps run anew whatever the builder's cache has. */
  force: readonly string[];
  /** Names of layers whose images are left in the local engine. */
  load: readonly string[];
  /** A buildx builder by name. */
  builder?: string | undefined;
  atOnce?: number | undefined;
  env: NodeJS.ProcessEnv;
  signal: AbortSignal;
  onEvent(event: LayerEvent): void;
}

export interface BuildProjectOptions extends Omit<BuildPlannedOptions, 'force' | 'load'> {
  /** Empty: all layers. */
  layers: readonly string[];
  /** Builds the named layers (all, where none is named) whatever the store and the builder's cache have. */
  force: boolean;
  /** Leaves the images of the named layers (all, where none is named) in the local engine. */
  load: boolean;
  /** Refuse to resolve bases that imgbuild.lock lacks. */
  frozen: boolean;
  progress: Progress;
  /** Called once, before anything is built. */
  onPlan?(plan: Plan): void;
}

/** Where a build comes from, for the input manifest and a label: as a workflow says, else as git does. */
async function provenance(root: string, env: NodeJS.ProcessEnv) {
  const { GITHUB_ACTIONS, GITHUB_SHA, GITHUB_SERVER_URL, GITHUB_REPOSITORY, GITHUB_RUN_ID } = env;
  if (GITHUB_ACTIONS === 'true' && GITHUB_SERVER_URL && GITHUB_REPOSITORY) {
    const source = `${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}`;
    return {
      source,
      ...(GITHUB_SHA ? { revision: GITHUB_SHA } : {}),
      ...(GITHUB_RUN_ID ? { run: `${source}/actions/runs/${GITHUB_RUN_ID}` } : {}),
    };
  }
  const head = await run('git', ['-C', root, 'rev-parse', '--verify', '--quiet', 'HEAD']).catch(() => undefined);
  return head?.exitCode === 0 ? { revision: head.stdout.toString('utf8').trim() } : {};
}

/** Plans a project and builds what the plan says. */
export async function buildProject(
  project: Project,
  options: BuildProjectOptions,
): Promise<{ plan: Plan; report: BuildReport }> {
  const { layers, frozen, progress, signal } = options;
  const named = layers.length > 0 ? layersNamed(project.config, layers) : project.config.layers.map(({ name }) => name);
  const force = options.force ? named : [];
  const planned = await planProject(project, { layers, force, frozen, env: options.env, progress, signal });
  options.onPlan?.(planned.plan);
  const report = await buildPlanned(project, planned, { ...options, force, load: options.load ? named : [] });
  return { plan: planned.plan, report };
}

/** Builds what a plan says. Where nothing is to be done, no engine is asked for. */
export async function buildPlanned(
  { config, store }: Project,
  { lock, ...planned }: ProjectPlan,
  options: BuildPlannedOptions,
): Promise<BuildReport> {
  const { force, load, env, signal } = options;
  const { current: branch } = await findBranches(config.root, env);
  const origin = await provenance(config.root, env);
  const repositories = planned.plan.layers.flatMap(({ action, repository }) =>
    action === 'build' ? [repository] : [],
  );
  if (repositories.length > 0) await store.check?.('write', repositories, signal);
  const needed = planned.plan.hasWork || load.length > 0;
  const engine = needed
    ? await detectEngine({ env, signal, ...(options.builder === undefined ? {} : { builder: options.builder }) })
    : undefined;
  return buildLayers({
    config,
    planned,
    lock,
    store,
    engine,
    options: {
      load,
      force,
      branch,
      env,
      ...(options.atOnce === undefined ? {} : { atOnce: options.atOnce }),
      ...origin,
    },
    onEvent: (event) => options.onEvent(event),
    signal,
  });
}
