import { isAbsolute, posix } from 'node:path';
import type { Choice } from '../deb/selection.ts';
import { modelPackageName, type ModelDeb } from '../deb/model-draft.ts';
import { assembleModel, newTurns } from '../model/assemble.ts';
import { findFiles } from '../model/find-files.ts';
import { knownFiles } from '../model/known-files.ts';
import { surveyModels } from '../model/survey.ts';
import { openCache, type ModelsOptions } from './models.ts';
import type { Project } from './open.ts';

export interface ModelDebsOptions extends Omit<ModelsOptions, 'only'> {
  /** Names of packages; all where absent. */
  only?: readonly string[] | undefined;
  choice?: Choice | undefined;
  /** Whether the packages are looked at alone: what they take of the repository, and nothing is fetched. */
  check?: boolean;
}

/** The models that are packages, with `targets: [deb]`. Nothing is fetched before a package is made of it. */
export async function modelDebs(project: Project, options: ModelDebsOptions): Promise<ModelDeb[]> {
  const { config } = project;
  const { only, choice, check = false, ...rest } = options;
  const debs: ModelDeb[] = [];
  const turns = newTurns();
  for (const model of config.models.filter(({ targets }) => targets.includes('deb'))) {
    const { name, license, maintainer, split } = model;
    const asPackage = modelPackageName(config, name);
    const isWanted = (only?.includes(asPackage) ?? true) && choice?.off.includes(asPackage) !== true;
    const found = await findFiles(config, name, ['files'], model.files);
    const local = model.sources.flatMap((source) =>
      source.from === 'path' && !isAbsolute(source.path) ? [posix.normalize(source.path)] : [],
    );
    const taken = [...new Set([...found.map(({ path }) => path), ...local])];
    if (check || !isWanted) {
      debs.push({ name, license, maintainer, split, taken });
      continue;
    }
    const cache = await openCache(project, rest.env);
    const [surveyed] = await surveyModels({ config, cache, ...rest, only: [name] });
    const fetch = async (stop: AbortSignal | undefined) => {
      const files = await assembleModel(surveyed!, { config, cache, ...rest, signal: stop, turns });
      await cache.save();
      return files.map(({ path, file }) => ({ path, file: file! }));
    };
    const known = await knownFiles(surveyed!, cache);
    debs.push({ name, license, maintainer, split, files: { inputs: surveyed!.contents, known, fetch }, taken });
  }
  return debs;
}
