import type { Config } from '../config/config.ts';
import { Failure } from '../failure.ts';
import type { Digest } from '../oci/digest.ts';
import type { PlatformName } from '../oci/platform.ts';
import type { Plan, PlannedLayer } from '../plan/plan.ts';
import type { Progress } from '../progress.ts';
import type { LayerStore } from '../store/layer-store.ts';
import { debDifferences, imageDifferences, modelDifferences } from './compare.ts';
import { imageFacts } from './image-facts.ts';
import { pushImages, taggedManifest, type ImageToPush, type PushedTag } from './push.ts';
import type { Release, ReleasedDeb, ReleasedDelta, ReleasedImage, ReleasedModel } from './release-json.ts';
import { commitRelease, listReleases, readRelease, type KnownRelease } from './release-store.ts';
import { releasedLayers } from './released-layers.ts';
import { aliasesOf, parseVersion, previousOf, versionsBefore, versionTag, type Version } from './version.ts';

/** A layer on a platform, as the key of a map. */
export function layerKey(name: string, platform: PlatformName): string {
  return `${name} ${platform}`;
}

/** What a release consists of doing, done by other rooms. */
export interface ReleaseSteps {
  plan(): Promise<Plan>;
  /** Builds and saves what the plan says is to be built. The digests by layerKey. */
  build(plan: Plan): Promise<ReadonlyMap<string, Digest>>;
  /** Packs the packages into the output folder; the same images, files and version give the same bytes. */
  packDebs(version: Version, images: readonly ReleasedImage[], others: readonly Version[]): Promise<ReleasedDeb[]>;
  /** Reads the models, and publishes them where `publish` is true. */
  models(publish: boolean): Promise<ReleasedModel[]>;
  /** Makes what takes devices from each of the releases before to this one; none without a key to sign them. */
  deltas(release: Release, before: readonly Release[]): Promise<ReleasedDelta[]>;
  /** Puts packages and deltas where they are to stay, durably: nothing but the commit comes after. */
  place(release: Release): Promise<void>;
}

export interface ReleaseRequest {
  config: Config;
  store: LayerStore;
  /** With or without `v`. */
  version: string;
  /** The release before; the highest below that is not yanked where absent. */
  previous?: string | undefined;
  revision: string | null;
  dryRun: boolean;
  steps: ReleaseSteps;
  progress: Progress;
  signal?: AbortSignal | undefined;
}

export interface ReleaseResult {
  /** `unchanged`: this very release was there already, and nothing was written. */
  outcome: 'released' | 'unchanged' | 'dry-run';
  version: Version;
  previous: Version | null;
  /** In a dry run what is there already; null where it is not: nothing is built, so no digest is known. */
  release: Release | null;
  /** What is built, or in a dry run would be. */
  plan: Plan;
  /** Tags that were put, or in a dry run would be: with null where the digest is not known yet. */
  tags: (Pick<PushedTag, 'name' | 'reference'> & { digest: Digest | null })[];
}

/**
 * Plans, builds what changed, puts the tags, packs packages, and commits by release.json as the last thing. Without
 * release.json a run that broke off is taken up where it ended; with it, the same content changes nothing, and other
 * content is refused with no tag touched.
 */
export async function makeRelease(request: ReleaseRequest): Promise<ReleaseResult> {
  const { config, store, steps, signal } = request;
  const version = parseVersion(request.version);
  const known = await listReleases(store);
  const previous = await choosePrevious(request, version, known);
  const plan = await steps.plan();
  const layers = releasedLayers(config, parentsOf(plan)).map(({ name }) => name);
  const wanted = plan.layers.filter(({ name }) => layers.includes(name));

  const existing = await readRelease(store, version);
  if (existing) {
    const { release } = existing;
    const found = { version, previous: release.previous, release, plan, tags: [] };
    const images = wanted.map((layer) => ({ ...layer, layer: layer.name }));
    refuse(version, store, imageDifferences(release, { name: config.name, images }));
    // Models would be fetched and packages packed to be compared.
    if (request.dryRun) return { outcome: 'dry-run', ...found };
    refuse(version, store, modelDifferences(release, await steps.models(false)));
    const others = known.map((each) => each.version).filter((other) => other !== version);
    refuse(version, store, debDifferences(release, await steps.packDebs(version, release.images, others)));
    return { outcome: 'unchanged', ...found };
  }

  const counting = known.filter(({ yanked }) => !yanked).map((each) => each.version);
  const moving = aliasesOf(version, counting);
  if (request.dryRun) {
    const tagsOf = (name: string) => [versionTag(version), ...movingTags(config, [name], moving)];
    const tags = expectedTags(store, wanted, tagsOf);
    return { outcome: 'dry-run', version, previous, release: null, plan, tags };
  }

  const built = plan.hasWork ? await steps.build(plan) : new Map<string, Digest>();
  signal?.throwIfAborted();
  const digests = new Map(plan.layers.map((layer) => [layerKey(layer.name, layer.platform), digestOf(layer, built)]));
  const images = await releasedImages(store, wanted, digests);
  const toPush = (tagsOf: (layer: string) => string[]): ImageToPush[] =>
    layers.map((name) => {
      const own = images.filter(({ layer }) => layer === name);
      const platforms = own.map(({ platform, digest }) => ({ platform, digest }));
      return { name, repository: own[0]!.repository, platforms, tags: tagsOf(name) };
    });
  const options = { progress: request.progress, ...(signal === undefined ? {} : { signal }) };
  const tags = await pushImages(
    store,
    toPush(() => [versionTag(version)]),
    options,
  );
  const draft: Release = {
    schema: 1,
    name: config.name,
    version,
    previous,
    revision: request.revision,
    images,
    fingerprints: plan.layers.map(({ name, repository, platform, fingerprint }) => ({
      layer: name,
      repository,
      platform,
      fingerprint,
      digest: digests.get(layerKey(name, platform))!,
    })),
    debs: await steps.packDebs(
      version,
      images,
      known.map((each) => each.version),
    ),
    models: await steps.models(true),
    deltas: [],
  };
  signal?.throwIfAborted();
  const earlier = previous === null ? [] : versionsBefore(version, previous, counting, config.ota.releases);
  const before = await Promise.all(earlier.map((each) => readRelease(store, each)));
  const deltas = await steps.deltas(
    draft,
    before.flatMap((stored) => (stored === undefined ? [] : [stored.release])),
  );
  const release = { ...draft, deltas };
  signal?.throwIfAborted();
  tags.push(
    ...(await pushImages(
      store,
      toPush((name) => movingTags(config, [name], moving)),
      options,
    )),
  );
  signal?.throwIfAborted();
  await steps.place(release);
  signal?.throwIfAborted();
  await commitRelease(store, release);
  return { outcome: 'released', version, previous, release, plan, tags };
}

async function choosePrevious(
  request: ReleaseRequest,
  version: Version,
  known: readonly KnownRelease[],
): Promise<Version | null> {
  if (request.previous === undefined) {
    const counting = known.filter(({ yanked }) => !yanked).map((each) => each.version);
    return previousOf(version, counting) ?? null;
  }
  const previous = parseVersion(request.previous);
  const because =
    previous === version
      ? 'it is the same version'
      : known.some((each) => each.version === previous)
        ? undefined
        : `${request.store.name} has no such release`;
  if (because === undefined) return previous;
  throw new Failure({
    doing: `releasing ${version} after ${previous}`,
    because,
    fix: known.length === 0 ? 'leave out --previous' : `it has ${known.map((each) => each.version).join(', ')}`,
    kind: 'input',
  });
}

function refuse(version: Version, store: LayerStore, differences: readonly string[]): void {
  if (differences.length === 0) return;
  throw new Failure({
    doing: `releasing ${version}`,
    because: `${store.name} has ${version} with other content: ${differences.join('; ')}`,
    fix: `a release never changes: choose a new version (\`imgbuild plan --against ${version}\` shows what differs)`,
    kind: 'input',
  });
}

/**
 * Of the tags that move, those of the named layers: the aliases, and what the configuration declares, which follows the
 * newest release as `latest` does.
 */
function movingTags(config: Config, names: readonly string[], aliases: readonly string[]): string[] {
  const declared = config.layers
    .filter(({ name, image }) => names.includes(name) && image.text.endsWith(`:${image.tag}`))
    .map(({ image }) => image.tag);
  return [...new Set([...aliases, ...(aliases.includes('latest') ? declared : [])])];
}

function parentsOf(plan: Plan): Map<string, string[]> {
  return new Map(plan.layers.map(({ name, parents }) => [name, parents]));
}

function digestOf(layer: PlannedLayer, built: ReadonlyMap<string, Digest>): Digest {
  const digest = layer.action === 'reuse' ? layer.digest : built.get(layerKey(layer.name, layer.platform));
  if (digest) return digest;
  throw new Failure({
    doing: 'releasing',
    because: `${layer.name} (${layer.platform}) was not built`,
    fix: `build it first: imgbuild build ${layer.name}`,
  });
}

async function releasedImages(
  store: LayerStore,
  wanted: readonly PlannedLayer[],
  digests: ReadonlyMap<string, Digest>,
): Promise<ReleasedImage[]> {
  const images = await Promise.all(
    wanted.map(async ({ name, image, repository, platform, fingerprint }): Promise<ReleasedImage> => {
      const digest = digests.get(layerKey(name, platform))!;
      const facts = await imageFacts(store, repository, digest);
      return { layer: name, image, repository, platform, digest, index: null, ...facts, fingerprint };
    }),
  );
  for (const name of new Set(wanted.map((layer) => layer.name))) {
    const own = images.filter(({ layer }) => layer === name);
    if (own.length === 1) continue;
    const { repository } = own[0]!;
    const index = await taggedManifest(store, { name, repository, platforms: own, tags: [] });
    for (const each of own) each.index = index.descriptor.digest;
  }
  return images;
}

function expectedTags(
  store: LayerStore,
  wanted: readonly PlannedLayer[],
  tagsOf: (name: string) => string[],
): ReleaseResult['tags'] {
  return [...new Set(wanted.map(({ name }) => name))].flatMap((name) => {
    const own = wanted.filter((layer) => layer.name === name);
    const digest = own.length === 1 && own[0]!.action === 'reuse' ? own[0]!.digest : null;
    return tagsOf(name).map((tag) => ({ name, reference: `${store.name}/${own[0]!.repository}:${tag}`, digest }));
  });
}
