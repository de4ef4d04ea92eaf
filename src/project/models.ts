import { join } from 'node:path';
import { makeStateFolder } from '../context/state-folder.ts';
import { Failure } from '../failure.ts';
import { BlobCache } from '../fetch/blob-cache.ts';
import { cacheFolder } from '../fetch/cache-folder.ts';
import { inParallel } from '../fetch/in-parallel.ts';
import { assembleModel, newTurns, type ModelFile } from '../model/assemble.ts';
import { filesOf } from '../model/model-pack.ts';
import { modelRepository, planModel, publishModel, type PlannedModel, type PublishedModel } from '../model/publish.ts';
import { surveyModels, type SurveyedModel } from '../model/survey.ts';
import { findBranches } from '../plan/branch.ts';
import type { Progress } from '../progress.ts';
import { readRelease } from '../release/release-store.ts';
import type { ReleasedModel } from '../release/release-json.ts';
import { findRevision } from '../release/revision.ts';
import { parseVersion, versionTag, type Version } from '../release/version.ts';
import type { Project } from './open.ts';

export interface ModelsOptions {
  /** Names of models; all where absent. */
  only?: readonly string[] | undefined;
  env: NodeJS.ProcessEnv;
  progress: Progress;
  signal?: AbortSignal | undefined;
}

/** The cache of this user, shared by all checkouts. */
export async function openCache(
  { config, keeper }: Pick<Project, 'config' | 'keeper'>,
  env: NodeJS.ProcessEnv,
): Promise<BlobCache> {
  const folder = cacheFolder(env, config.root);
  // Only where there is no home: git must not see it.
  if (folder.startsWith(join(config.root, '.imgbuild'))) await makeStateFolder(config.root, 'cache');
  return new BlobCache(folder, keeper);
}

/** What each model is and what the store has of it. Local files are read, and nothing is fetched. */
export async function planModels(
  project: Project,
  options: ModelsOptions & { force?: boolean },
): Promise<PlannedModel[]> {
  const { config, store } = project;
  const { only, env, progress, signal, force = false } = options;
  const surveyed = await surveyModels({ config, only, cache: await openCache(project, env), progress, signal });
  const { current, fallback } = await findBranches(config.root, env);
  const planned: PlannedModel[] = [];
  for (const each of surveyed) {
    planned.push(await planModel(each, { store, branches: [current, fallback], force }));
  }
  return planned;
}

export interface FetchedModel {
  surveyed: SurveyedModel;
  files: ModelFile[];
}

/** Every model with its files on this machine, fetched and converted. */
export async function fetchModels(project: Project, options: ModelsOptions): Promise<FetchedModel[]> {
  const { config } = project;
  const { only, env, progress, signal } = options;
  const cache = await openCache(project, env);
  const surveyed = await surveyModels({ config, only, cache, progress, signal });
  const turns = newTurns();
  const fetched = await inParallel(surveyed, surveyed.length, signal, async (each, stop) => {
    const files = await assembleModel(each, { config, cache, env, progress, signal: stop, turns });
    return { surveyed: each, files };
  });
  await cache.save();
  return fetched;
}

/** Sent side by side. */
const modelsAtOnce = 3;

export interface PushModelsOptions extends ModelsOptions {
  /** Of the release that new models are for, with or without `v`. */
  version?: string | undefined;
  force?: boolean;
}

/** Publishes the models that are to be artifacts; those that the store has as they are move nothing. */
export async function pushModels(project: Project, options: PushModelsOptions): Promise<PublishedModel[]> {
  const { config, store } = project;
  const { env, progress, signal } = options;
  const version = options.version === undefined ? undefined : parseVersion(options.version);
  const planned = (await planModels(project, options)).filter(({ surveyed }) =>
    surveyed.model.targets.includes('modelpack'),
  );
  if (version !== undefined) await refuseReleased(project, version, planned);
  const { current } = await findBranches(config.root, env);
  const revision = (await findRevision(config.root, env)) ?? undefined;
  const cache = await openCache(project, env);
  const others = config.models.map(({ name }) => modelRepository(name));
  const turns = newTurns();
  const released = version === undefined ? undefined : { text: version, tag: versionTag(version) };
  return inParallel(planned, modelsAtOnce, signal, (each, stop) =>
    publishModel(each, {
      config,
      store,
      cache,
      env,
      branch: current,
      revision,
      others,
      progress,
      signal: stop,
      turns,
      version: released,
    }),
  );
}

/** A release never changes: its models neither. */
async function refuseReleased({ store }: Project, version: Version, planned: readonly PlannedModel[]): Promise<void> {
  const released = await readRelease(store, version);
  if (released === undefined) return;
  for (const { surveyed, plan } of planned) {
    const { name } = surveyed.model;
    const before = released.release.models.find((model) => model.name === name)?.digest;
    if (plan.action === 'reuse' && plan.saved.digest === before) continue;
    throw new Failure({
      doing: `publishing model ${name} as ${version}`,
      because: `release ${version} is there already, ${before ? 'with another one' : 'without it'}`,
      fix: 'a release never changes: choose another version',
      kind: 'input',
    });
  }
}

/** The models of a release: published where `publish` is true, else as far as is needed to compare them. */
export async function releaseModels(
  project: Project,
  options: ModelsOptions & { version: Version; publish: boolean },
): Promise<ReleasedModel[]> {
  const { version, publish, ...rest } = options;
  const published = publish ? await pushModels(project, { ...rest, version }) : [];
  const models: ReleasedModel[] = [];
  for (const { surveyed, repository, plan } of await planModels(project, rest)) {
    const { name } = surveyed.model;
    const artifact = published.find((each) => each.name === name);
    const files = artifact?.files ?? (plan.action === 'reuse' ? filesOf(plan.saved.manifest) : undefined);
    const all = (files ?? (await fetchModels(project, { ...rest, only: [name] }))[0]!.files).map(
      ({ path, size, sha256 }) => ({ path, size, sha256 }),
    );
    models.push({
      name,
      size: all.reduce((sum, { size }) => sum + size, 0),
      files: all,
      repository: artifact === undefined ? null : repository,
      digest: artifact?.digest ?? null,
      version: artifact?.version ?? null,
    });
  }
  return models;
}
