import type { Deb } from '../config/config.ts';
import { packDebs, sourceDateOf, type PackedDeb } from '../deb/pack-debs.ts';
import type { Choice } from '../deb/selection.ts';
import type { Progress } from '../progress.ts';
import type { Project } from './open.ts';
import { planProject } from './plan.ts';
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
  env: NodeJS.ProcessEnv;
  progress: Progress;
  signal: AbortSignal;
}

/** Packs the packages of a project, with the images that are saved for what is checked out. Nothing is built. */
export async function packProject(project: Project, options: PackProjectOptions): Promise<PackedDeb[]> {
  const { only, choice = { on: [], off: [] }, version, directory, frozen, env, progress, signal } = options;
  const isOn = ({ name, off }: Deb) => (off !== true || choice.on.includes(name)) && !choice.off.includes(name);
  const debs = project.config.debs.filter(isOn);
  const layers = serviceLayers({ ...project.config, debs }, only);
  const planned =
    layers.length === 0 ? undefined : await planProject(project, { layers, force: [], frozen, progress, signal });
  const images = planned === undefined ? [] : await savedImages(project, planned.plan, layers, version);
  const sourceDate = sourceDateOf(env);
  return packDebs({
    config: project.config,
    version,
    images,
    directory,
    only,
    choice,
    env,
    progress,
    signal,
    ...(sourceDate === undefined ? {} : { sourceDate }),
  });
}
