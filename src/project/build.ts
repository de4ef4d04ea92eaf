import { detectEngine } from '../engine/detect.ts';
import type { Plan } from '../plan/plan.ts';
import { findBranches } from '../plan/branch.ts';
import { run } from '../process/run.ts';
import type { Project } from './open.ts';
import { planProject } from './plan.ts';
import { buildLayers } from '../build/build-layers.ts';
import type { BuildReport, LayerEvent } from '../build/event.ts';

export interface BuildProjectOptions {
  /** Empty: all layers. */
  layers: readonly string[];
  /** Builds the named layers (all, where none is named) whatever the store and the builder's cache have. */
  force: boolean;
  /** Leaves the images of the named layers (all, where none is named) in the local engine. */
  load: boolean;
  /** Refuse to resolve bases that imgbuild.lock lacks. */
  frozen: boolean;
  /** A buildx builder by name. */
  builder?: string | undefined;
  atOnce?: number | undefined;
  env: NodeJS.ProcessEnv;
  signal: AbortSignal;
  /** Called once, before anything is built. */
  onPlan?(plan: Plan): void;
  onEvent(event: LayerEvent): void;
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

/** Plans a project and builds what the plan says. Where nothing is to be done, no engine is asked for. */
export async function buildProject(
  project: Project,
  options: BuildProjectOptions,
): Promise<{ plan: Plan; report: BuildReport }> {
  const { config, store } = project;
  const { layers, load, frozen, env, signal } = options;
  const named = layers.length > 0 ? layers : config.layers.map(({ name }) => name);
  const force = options.force ? named : [];
  const { lock, ...planned } = await planProject(project, { layers, force, frozen, signal });
  options.onPlan?.(planned.plan);
  const needed = planned.plan.hasWork || load;
  const engine = needed
    ? await detectEngine({ env, signal, ...(options.builder === undefined ? {} : { builder: options.builder }) })
    : undefined;
  const { current: branch } = await findBranches(config.root, env);
  const report = await buildLayers({
    config,
    planned,
    lock,
    store,
    engine,
    options: {
      load: load ? named : [],
      force,
      branch,
      env,
      ...(options.atOnce === undefined ? {} : { atOnce: options.atOnce }),
      ...(await provenance(config.root, env)),
    },
    onEvent: (event) => options.onEvent(event),
    signal,
  });
  return { plan: planned.plan, report };
}
