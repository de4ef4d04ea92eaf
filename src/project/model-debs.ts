import { isAbsolute, posix } from 'node:path';
import type { Choice } from '../deb/selection.ts';
import { modelPackageName, type ModelDeb } from '../deb/model-draft.ts';
import { findFiles } from '../model/find-files.ts';
import { fetchModels, type ModelsOptions } from './models.ts';
import type { Project } from './open.ts';

export interface ModelDebsOptions extends Omit<ModelsOptions, 'only'> {
  /** Names of packages; all where absent. */
  only?: readonly string[] | undefined;
  choice?: Choice | undefined;
  /** Whether the packages are looked at alone: what they take of the repository, and nothing is fetched. */
  check?: boolean;
}

/** The models that are packages, with `targets: [deb]`; those that are asked for with all their files. */
export async function modelDebs(project: Project, options: ModelDebsOptions): Promise<ModelDeb[]> {
  const { config } = project;
  const { only, choice, check = false, ...rest } = options;
  const debs: ModelDeb[] = [];
  for (const model of config.models.filter(({ targets }) => targets.includes('deb'))) {
    const { name, license } = model;
    const asPackage = modelPackageName(config, name);
    const isWanted = (only?.includes(asPackage) ?? true) && choice?.off.includes(asPackage) !== true;
    const found = await findFiles(config, name, ['files'], model.files);
    const local = model.sources.flatMap((source) =>
      source.from === 'path' && !isAbsolute(source.path) ? [posix.normalize(source.path)] : [],
    );
    const taken = [...new Set([...found.map(({ path }) => path), ...local])];
    if (check || !isWanted) {
      debs.push({ name, license, files: [], taken });
      continue;
    }
    const [fetched] = await fetchModels(project, { ...rest, only: [name] });
    const files = fetched!.files.map(({ path, file }) => ({ path, file: file! }));
    debs.push({ name, license, files, taken });
  }
  return debs;
}
