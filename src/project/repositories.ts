import { readDebianFolder } from '../deb/debian/source.ts';
import { modelPackageName } from '../deb/model-draft.ts';
import { debRepository } from '../deb/repository.ts';
import { noRelease } from '../deb/source-date.ts';
import { partName } from '../deb/split.ts';
import { variablesOf } from '../deb/variables.ts';
import type { Config } from '../config/config.ts';
import { Failure, Failures } from '../failure.ts';
import { modelRepository } from '../model/publish.ts';
import type { Release } from '../release/release-json.ts';
import { releasesRepository } from '../release/release-store.ts';
import type { LayerStore } from '../store/layer-store.ts';
import type { Project } from './open.ts';

/**
 * Repositories below the store that the configuration or a release names, whether they are there or not: all that can be
 * known where a store cannot name its own. Parts of packages are looked for one by one, since only packing tells how many
 * there are.
 */
export async function namedRepositories(
  { config, store }: Pick<Project, 'config' | 'store'>,
  releases: readonly Release[],
  env: NodeJS.ProcessEnv,
): Promise<string[]> {
  const packages = new Set([
    ...(await packageNames(config, env)),
    ...releases.flatMap(({ debs }) => debs.map(({ name }) => name)),
  ]);
  return [
    ...new Set([
      releasesRepository,
      ...config.layers.map(({ image }) => image.path),
      ...config.models.map(({ name }) => modelRepository(name)),
      ...releases.flatMap(({ fingerprints, images }) => [...fingerprints, ...images].map((each) => each.repository)),
      ...releases.flatMap(({ models }) => models.map(({ name }) => modelRepository(name))),
      ...[...packages].map(debRepository),
      ...(await Promise.all([...packages].map((name) => partsOf(store, name)))).flat(),
    ]),
  ];
}

/** A debian/ folder that cannot be read names none: what is wrong with it is no matter of the store. */
async function packageNames(config: Config, env: NodeJS.ProcessEnv): Promise<string[]> {
  const names = config.models.map(({ name }) => modelPackageName(config, name));
  for (const deb of config.debs) {
    names.push(deb.name);
    if (deb.from === undefined) continue;
    try {
      const { drafts } = await readDebianFolder(config, deb, {
        version: noRelease,
        variables: variablesOf(config, env),
      });
      names.push(...drafts.map(({ name }) => name));
    } catch (error) {
      if (!(error instanceof Failure) && !(error instanceof Failures)) throw error;
    }
  }
  return names;
}

async function partsOf(store: LayerStore, name: string): Promise<string[]> {
  const found: string[] = [];
  for (let index = 1; ; index++) {
    const repository = debRepository(partName(name, index));
    if ((await store.listTags(repository)).length === 0) return found;
    found.push(repository);
  }
}
