import type { Deb } from '../config/config.ts';
import { unreleased } from '../deb/check.ts';
import { findCompressors } from '../deb/compressors.ts';
import type { PlannedDeb, ServiceImage } from '../deb/planned-deb.ts';
import { packDebs, sourceDateOf, type PackedDeb } from '../deb/pack-debs.ts';
import { planAllDebs, standIns, type DebsPlan } from '../deb/plan-debs.ts';
import { planSavedDebs, type DecidedDeb } from '../deb/decide-debs.ts';
import type { Choice } from '../deb/selection.ts';
import { Failure, Failures } from '../failure.ts';
import type { Progress } from '../progress.ts';
import type { Project } from './open.ts';
import { planProject } from './plan.ts';
import { modelDebs } from './model-debs.ts';
import { openSavedDebs } from './saved-debs.ts';
import { savedImages, serviceLayers } from './saved-images.ts';

export interface PackProjectOptions {
  /** Names of packages; all where absent. */
  only: readonly string[] | undefined;
  /** Packages that are on or off whatever the configuration says. */
  choice?: Choice;
  /** The release that they belong to, with or without `v`. */
  version: string;
  /** Absolute: where the packages go. */
  directory: string;
  /** Refuse to resolve bases that imgbuild.lock lacks. */
  frozen: boolean;
  /** Pack what is unchanged, too. */
  force?: boolean;
  env: NodeJS.ProcessEnv;
  progress: Progress;
  signal: AbortSignal;
}

/**
 * Packs the packages of a project, with the images that are saved for what is checked out. Nothing is built; what is
 * unchanged since a release is taken from the store as it was packed for that.
 */
export async function packProject(project: Project, options: PackProjectOptions): Promise<PackedDeb[]> {
  const {
    only,
    choice = { on: [], off: [] },
    version,
    directory,
    frozen,
    force = false,
    env,
    progress,
    signal,
  } = options;
  const layers = layersOf(project, only, choice);
  const planned =
    layers.length === 0 ? undefined : await planProject(project, { layers, force: [], frozen, progress, signal });
  const images = planned === undefined ? [] : await savedImages(project, planned.plan, layers, version);
  const sourceDate = sourceDateOf(env);
  const models = await modelDebs(project, { only, choice, env, progress, signal });
  return packDebs({
    config: project.config,
    version,
    images,
    directory,
    only,
    choice,
    models,
    saved: await openSavedDebs(project, { version: releaseOf(version), force, env }),
    env,
    progress,
    signal,
    ...(sourceDate === undefined ? {} : { sourceDate }),
  });
}

/** What would be packed, and of each package that imgbuild writes whether it is packed or is there already. */
export interface ListedDebs extends DebsPlan {
  /** Without an entry: its image is not saved, so that nobody can tell. */
  decided: Map<PlannedDeb, DecidedDeb>;
}

export type ListOptions = Omit<PackProjectOptions, 'directory' | 'frozen'>;

/** As packProject, without packing. A package whose image is not saved is listed all the same. */
export async function listProject(project: Project, options: ListOptions): Promise<ListedDebs> {
  const { config } = project;
  const { only, choice = { on: [], off: [] }, version, force = false, env, progress, signal } = options;
  const layers = layersOf(project, only, choice);
  const images: ServiceImage[] = [];
  const missing = new Set(layers);
  await ignoreFailure(async () => {
    if (layers.length === 0) return;
    const { plan } = await planProject(project, { layers, force: [], frozen: true, progress, signal });
    for (const layer of layers) {
      await ignoreFailure(async () => {
        images.push(...(await savedImages(project, plan, [layer], version)));
        missing.delete(layer);
      });
    }
  });
  images.push(...standIns(config).filter(({ layer }) => missing.has(layer)));
  const models = await modelDebs(project, { only, choice, env, progress, signal });
  const plan = await planAllDebs({ config, version, images, only, choice, models, env, comparable: true });
  const saved = await openSavedDebs(project, { version: releaseOf(version), force, env });
  const compressors = await findCompressors(plan.planned, signal);
  // Also those without an image: they may need others in a newer version.
  const decided = (await planSavedDebs(plan.planned, saved, compressors, progress, signal)).filter(
    ({ deb: { image } }) => image === undefined || !missing.has(image.layer),
  );
  return { ...plan, decided: new Map(decided.map((each) => [each.deb, each])) };
}

async function ignoreFailure(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Failure) && !(error instanceof Failures)) throw error;
  }
}

function releaseOf(version: string): string | undefined {
  return version === unreleased ? undefined : version;
}

/** Layers that packages start which are on. */
function layersOf({ config }: Project, only: readonly string[] | undefined, choice: Choice): string[] {
  const isOn = ({ name, off }: Deb) => (off !== true || choice.on.includes(name)) && !choice.off.includes(name);
  return serviceLayers({ ...config, debs: config.debs.filter(isOn) }, only);
}
