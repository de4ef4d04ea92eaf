import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { buildPlanned } from './build.ts';
import type { LayerEvent } from '../build/event.ts';
import { makeStateFolder } from '../context/state-folder.ts';
import { packDebs, sourceDateOf } from '../deb/pack-debs.ts';
import { replaceFile, syncFolder } from '../files/durable-write.ts';
import type { Digest } from '../oci/digest.ts';
import { hexOf } from '../oci/digest.ts';
import { parsePlatform } from '../oci/platform.ts';
import type { Plan } from '../plan/plan.ts';
import type { Progress } from '../progress.ts';
import { sumsFile, writeReleaseFiles } from '../release/checksums.ts';
import { withDraft } from '../release/draft-store.ts';
import { layerKey, makeRelease, type ReleaseResult } from '../release/release.ts';
import type { Release, ReleasedDeb, ReleasedDelta, ReleasedImage } from '../release/release-json.ts';
import { findRevision } from '../release/revision.ts';
import { parseVersion } from '../release/version.ts';
import type { SigningKey } from '../signing/openpgp.ts';
import type { LayerStore } from '../store/layer-store.ts';
import { nameAsAssets } from './asset-names.ts';
import type { Project } from './open.ts';
import { planProject, type ProjectPlan } from './plan.ts';
import { modelDebs } from './model-debs.ts';
import { openSavedDebs } from './saved-debs.ts';
import { imageReference } from './saved-images.ts';

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
}

/** Releases a project: plans, builds, tags, packs, and commits. Files get into the output folder only when all went well. */
export async function releaseProject(project: Project, options: ReleaseProjectOptions): Promise<ProjectRelease> {
  const { config, store } = project;
  const { progress, signal, env } = options;
  const version = parseVersion(options.version);
  const parent = options.dryRun ? tmpdir() : await makeStateFolder(config.root, 'release');
  const work = await mkdtemp(join(parent, '.making-'));
  let planned: ProjectPlan;
  try {
    const revision = await findRevision(config.root, env);
    if (revision?.endsWith('-dirty')) progress.warn('files differ from the commit: release.json says so (-dirty)');
    const result = await makeRelease({
      config,
      store,
      version,
      previous: options.previous,
      revision,
      dryRun: options.dryRun,
      progress,
      signal,
      steps: {
        async plan() {
          planned = await planProject(project, { layers: [], force: [], frozen: options.frozen, progress, signal });
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
          return new Map<string, Digest>(layers.map((each) => [layerKey(each.name, each.platform), each.digest]));
        },
        packDebs: (_version, images, others) => packReleaseDebs(project, options, version, work, images, others),
        models: async (publish) => {
          if (config.models.length === 0) return [];
          const { releaseModels } = await import('./models.ts');
          return releaseModels(project, { version, publish, env, progress, signal });
        },
        deltas: (release, previous) => makeDeltas(store, release, previous, work, options),
      },
    });
    if (result.release === null || result.outcome === 'dry-run') return { ...result, directory: null, file: null };
    const directory = options.output ?? join(parent, version);
    await mkdir(directory, { recursive: true });
    const here = new Set([...(await readdir(work)), ...(await readdir(directory))]);
    const gone = result.release.deltas.filter((delta) => !here.has(delta.file));
    for (const { from, to } of gone)
      progress.note(`the delta is not here: \`imgbuild ota diff ${from} ${to}\` makes it again`);
    const file = await writeReleaseFiles(work, result.release, (name) => here.has(name), options.signKey);
    // It would be of other sums.
    await rm(join(directory, `${sumsFile}.asc`), { force: true });
    await moveAll(work, directory);
    return { ...result, directory, file: join(directory, basename(file)) };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function packReleaseDebs(
  project: Project,
  options: ReleaseProjectOptions,
  version: string,
  directory: string,
  images: readonly ReleasedImage[],
  others: readonly string[],
): Promise<ReleasedDeb[]> {
  const { config } = project;
  const { env, progress, signal } = options;
  const models = await modelDebs(project, { env, progress, signal });
  if (config.debs.length + models.length === 0) return [];
  const sourceDate = sourceDateOf(options.env);
  const packed = await packDebs({
    config,
    version,
    images: images.map(({ layer, platform, config: digest, repository }) => ({
      layer,
      platform: parsePlatform(platform),
      config: digest,
      reference: imageReference(config.store, repository, version),
    })),
    others,
    models,
    directory,
    saved: await openSavedDebs(project, { version, force: false, env: options.env }),
    env: options.env,
    progress: options.progress,
    signal: options.signal,
    ...(sourceDate === undefined ? {} : { sourceDate }),
  });
  return (await nameAsAssets(packed)).map(({ name, file, version: debVersion, architecture, size, sha256 }) => ({
    name,
    version: debVersion,
    architecture,
    file: basename(file),
    size,
    sha256,
  }));
}

async function makeDeltas(
  store: LayerStore,
  release: Release,
  previous: Release,
  directory: string,
  { signKey, progress, signal }: ReleaseProjectOptions,
): Promise<ReleasedDelta[]> {
  if (signKey === undefined) {
    progress.note('no deltas: there is no key to sign them (--sign-key FILE, or IMGBUILD_SIGNING_KEY)');
    return [];
  }
  const { bundleFileName, makeDelta } = await import('../delta/make.ts');
  const { openRelease } = await import('../image-source/release.ts');
  const draft = withDraft(store, release) as LayerStore;
  const platforms = new Set(release.images.map(({ platform }) => platform));
  const shared = previous.images.map(({ platform }) => platform).filter((platform) => platforms.has(platform));
  const deltas: ReleasedDelta[] = [];
  for (const platform of new Set(shared)) {
    const to = await openRelease(draft, release.version, parsePlatform(platform));
    try {
      const from = await openRelease(store, previous.version, parsePlatform(platform));
      try {
        const output = join(directory, bundleFileName(from, to, release.name));
        const made = await makeDelta({ from, to, output, name: release.name, signKey, progress, signal });
        deltas.push({
          from: previous.version,
          to: release.version,
          platform,
          file: basename(made.path),
          size: made.bytes,
          sha256: hexOf(made.digest),
        });
      } finally {
        await from.close();
      }
    } finally {
      await to.close();
    }
  }
  return deltas;
}

/** By rename, one file at a time, release.json last: whoever sees it sees the others. */
async function moveAll(from: string, to: string): Promise<void> {
  const names = (await readdir(from)).toSorted((a, b) => Number(a === 'release.json') - Number(b === 'release.json'));
  for (const name of names) {
    try {
      await rename(join(from, name), join(to, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
      // Another file system: copied beside its place first, so that it gets its name whole.
      await replaceFile(join(to, name), async (handle) => {
        for await (const chunk of createReadStream(join(from, name))) await handle.writeFile(chunk as Buffer);
      });
    }
  }
  await syncFolder(to);
}
