import { rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { buildPlanned } from './build.ts';
import type { BuiltLayer, LayerEvent } from '../build/event.ts';
import type { Prover } from '../delta/prove.ts';
import type { Digest } from '../oci/digest.ts';
import type { Plan } from '../plan/plan.ts';
import type { Progress } from '../progress.ts';
import { sumsFile, writeReleaseFiles } from '../release/checksums.ts';
import { layerKey, makeRelease, type ReleaseRequest, type ReleaseResult } from '../release/release.ts';
import { publishDelta } from '../release/release-bundles.ts';
import { formatRelease, type Release, type ReleasedDelta } from '../release/release-json.ts';
import { readRelease } from '../release/release-store.ts';
import { findRevision } from '../release/revision.ts';
import { parseVersion, type Version } from '../release/version.ts';
import type { SigningKey } from '../signing/openpgp.ts';
import type { LayerStore } from '../store/layer-store.ts';
import type { Project } from './open.ts';
import { planProject, type ProjectPlan } from './plan.ts';
import { packReleaseDebs } from './release-debs.ts';
import { makeReleaseDeltas } from './release-deltas.ts';
import { isRecordedFile, openReleaseOutput } from './release-output.ts';

export interface ReleaseProjectOptions {
  /** With or without `v`. */
  version: string;
  previous?: string | undefined;
  dryRun: boolean;
  /** Absolute: where packages, deltas, release.json and SHA256SUMS go; else .imgbuild/release/VERSION. */
  output?: string | undefined;
  /** Refuse to resolve bases that imgbuild.lock lacks. */
  frozen: boolean;
  /** A buildx builder by name. */
  builder?: string | undefined;
  /** Signs deltas and checksums. Without a key no deltas are made: devices would refuse them. */
  signKey?: SigningKey | undefined;
  /** What applies a delta before it is released; our own decoder unless said otherwise. */
  openProver?: (() => Promise<Prover>) | undefined;
  env: NodeJS.ProcessEnv;
  progress: Progress;
  signal: AbortSignal;
  onPlan?(plan: Plan): void;
  onEvent(event: LayerEvent): void;
}

export interface ProjectRelease extends ReleaseResult {
  /** Absolute; null in a dry run. */
  directory: string | null;
  /** Absolute path of release.json; null in a dry run. */
  file: string | null;
  /** What became of each layer; none in a dry run. */
  layers: BuiltLayer[];
  /** Deltas of the release that are not in the folder: they were made on another machine, or into another folder. */
  missing: ReleasedDelta[];
}

/**
 * Releases a project: plans, builds, tags, packs, and commits. Packages and deltas get into the output folder only when
 * all of them are made, and before the release is committed: a signed delta cannot be made again with the same bytes.
 * release.json gets there last. A dry run writes nothing.
 */
export async function releaseProject(project: Project, options: ReleaseProjectOptions): Promise<ProjectRelease> {
  const { config, store } = project;
  const version = parseVersion(options.version);
  if (options.dryRun) {
    const result = await makeRelease(await requestOf(project, options, version, undefined));
    return { ...result, directory: null, file: null, layers: [], missing: [] };
  }
  const output = await openReleaseOutput(config.root, options.output, version);
  try {
    let draft: Release | undefined;
    let layers: BuiltLayer[] | undefined;
    const onBuilt = (built: BuiltLayer[]) => (layers = built);
    const request = await requestOf(project, options, version, output.staging, onBuilt);
    const place = async (release: Release) => {
      await output.place();
      draft = release;
      // Before the commit: what release.json names is there.
      for (const delta of release.deltas) await publishDelta(store, release, delta, output.directory, options);
    };
    const result = await makeRelease({ ...request, steps: { ...request.steps, place } }).catch(async (error) => {
      if (draft !== undefined && (await isOtherOrNone(store, draft))) await output.withdraw();
      throw error;
    });
    const release = result.release!;
    if (result.outcome === 'unchanged') await output.place();
    const missing = result.outcome === 'released' ? [] : await missingDeltas(output.directory, release);
    const lost = new Set(missing.map(({ file }) => file));
    for (const { file, from, to } of missing) {
      const other = `\`imgbuild ota diff ${from} ${to}\` makes one that does the same, with another signature`;
      options.progress.note(`${file} is not in ${output.directory} as it was released; ${other}`);
    }
    const written = await writeReleaseFiles(output.staging, release, (name) => !lost.has(name), options.signKey);
    // It would be of other sums.
    await rm(join(output.directory, `${sumsFile}.asc`), { force: true });
    await output.place();
    const file = join(output.directory, basename(written));
    return { ...result, directory: output.directory, file, layers: layers ?? reusedLayers(result.plan), missing };
  } finally {
    await output.close();
  }
}

/** Of a plan that has no work. */
function reusedLayers({ layers }: Plan): BuiltLayer[] {
  return layers.map(({ name, platform, image, repository, fingerprint, digest }) => {
    return { name, platform, image, repository, fingerprint, outcome: 'reused', digest: digest!, seconds: 0, bytes: 0 };
  });
}

/** Whether it is certain that this release is not committed: an answer that got lost may have been a yes. */
async function isOtherOrNone(store: LayerStore, draft: Release): Promise<boolean> {
  try {
    const there = await readRelease(store, parseVersion(draft.version));
    return there === undefined || !Buffer.from(formatRelease(there.release)).equals(formatRelease(draft));
  } catch {
    return false;
  }
}

async function missingDeltas(directory: string, { deltas }: Release): Promise<ReleasedDelta[]> {
  const missing: ReleasedDelta[] = [];
  for (const delta of deltas) if (!(await isRecordedFile(directory, delta))) missing.push(delta);
  return missing;
}

/** `staging`: where packages and deltas are made; a dry run makes none. */
async function requestOf(
  project: Project,
  options: ReleaseProjectOptions,
  version: Version,
  staging: string | undefined,
  onBuilt: (layers: BuiltLayer[]) => void = () => {},
): Promise<ReleaseRequest> {
  const { config, store } = project;
  const { progress, signal, env } = options;
  const revision = await findRevision(config.root, env);
  if (revision?.endsWith('-dirty')) progress.warn('files differ from the commit: release.json says so (-dirty)');
  let planned: ProjectPlan;
  return {
    config,
    store,
    version,
    previous: options.previous,
    revision,
    dryRun: staging === undefined,
    progress,
    signal,
    steps: {
      async plan() {
        planned = await planProject(project, {
          layers: [],
          force: [],
          frozen: options.frozen,
          env,
          progress,
          signal,
        });
        options.onPlan?.(planned.plan);
        return planned.plan;
      },
      async build() {
        const { builder } = options;
        const onEvent = (event: LayerEvent) => options.onEvent(event);
        const { layers } = await buildPlanned(project, planned, {
          force: [],
          load: [],
          builder,
          env,
          signal,
          onEvent,
        });
        onBuilt(layers);
        return new Map<string, Digest>(layers.map((each) => [layerKey(each.name, each.platform), each.digest]));
      },
      packDebs: (_version, images, others) =>
        packReleaseDebs(project, { version, directory: staging!, images, others, env, progress, signal }),
      models: async (publish) => {
        if (config.models.length === 0) return [];
        const { releaseModels } = await import('./models.ts');
        return releaseModels(project, { version, publish, env, progress, signal });
      },
      deltas: (release, before) => makeReleaseDeltas(project, release, before, staging!, options),
      place: async () => {},
    },
  };
}
