import { availableParallelism } from 'node:os';
import type { Config } from '../config/config.ts';
import type { Engine } from '../engine/engine.ts';
import { Failure } from '../failure.ts';
import type { Lock } from '../lock/lock.ts';
import type { Digest } from '../oci/digest.ts';
import { hostPlatform, parsePlatform, samePlatform } from '../oci/platform.ts';
import type { PlannedBuild, PlannedChain } from '../plan/plan-layers.ts';
import type { Registries } from '../registry/registries.ts';
import type { LayerStore } from '../store/layer-store.ts';
import { buildLayer } from './build-layer.ts';
import type { BuildReport, BuiltLayer, LayerEvent, LayerRef } from './event.ts';
import { PackageServers } from './packages.ts';
import type { ParentLookup } from './parent-images.ts';
import { runTasks } from './schedule.ts';

export interface BuildLayersOptions {
  /** Layers whose images, of the host's platform, are left in the local engine under their declared names. */
  load: readonly string[];
  /** At most so many layers at once; half the processors, at least two, where absent. */
  atOnce?: number;
  /** Names of layers whose steps run anew, whatever the builder has cached. */
  force: readonly string[];
  /** Moves `last-<branch>-…` along. */
  branch?: string;
  revision?: string;
  run?: string;
  /** URL of the repository, for the label org.opencontainers.image.source. */
  source?: string;
  env: NodeJS.ProcessEnv;
  registries?: Registries;
}

export interface BuildLayersRequest {
  config: Config;
  planned: PlannedChain;
  /** With every outside base of the plan. */
  lock: Lock;
  store: LayerStore;
  /** Undefined where the plan has no work and nothing is to be loaded. */
  engine: Engine | undefined;
  options: BuildLayersOptions;
  onEvent(event: LayerEvent): void;
  signal: AbortSignal;
}

const keyOf = (name: string, platform: string) => `${name} ${platform}`;

/**
 * Carries a plan out: every layer that must be built, parents first and independent ones side by side, each saved as soon
 * as it is built, so that the next run continues there. Closes the engine. Throws the Failure of the layer that fails,
 * Failures where several do, or the signal's reason; whatever it throws, nothing half-written is left.
 */
export async function buildLayers(request: BuildLayersRequest): Promise<BuildReport> {
  const { planned, engine, store, onEvent, signal } = request;
  const begun = Date.now();
  let results: ReadonlyMap<string, BuiltLayer>;
  try {
    results = await buildAndLoad(request);
  } catch (error) {
    // What went wrong first is told; an engine that is gone says so of its end too.
    await engine?.close(signal.aborted ? 'stopped' : 'done').catch(() => undefined);
    throw error;
  }
  await engine?.close('done');
  for (const build of planned.builds) {
    const result = results.get(keyOfBuild(build))!;
    if (result.outcome === 'reused')
      onEvent({
        ...refOf(build, planned),
        kind: 'done',
        outcome: 'reused',
        digest: result.digest,
        seconds: 0,
        bytes: 0,
      });
  }
  return {
    schema: 1,
    store: store.name,
    engine: engine?.name ?? null,
    layers: planned.builds.map((build) => results.get(keyOfBuild(build))!),
    seconds: (Date.now() - begun) / 1000,
  };
}

async function buildAndLoad(request: BuildLayersRequest): Promise<ReadonlyMap<string, BuiltLayer>> {
  const { planned, engine, options } = request;
  if (options.load.length > 0 && engine?.load === undefined) {
    throw new Failure({
      doing: 'building with --load',
      because: `${engine?.name ?? 'what builds here'} has no local engine to leave images in`,
      fix: 'start Docker on this machine, or leave --load out',
      kind: 'input',
    });
  }
  const results = new Map<string, BuiltLayer>();
  const servers = new PackageServers();
  for (const build of planned.builds) {
    if (build.planned.action === 'reuse') results.set(keyOfBuild(build), reused(build));
  }
  const tasks = planned.builds
    .filter((build) => build.planned.action === 'build')
    .map((build) => ({
      key: keyOfBuild(build),
      needs: build.planned.parents.map((name) => keyOf(name, build.planned.platform)),
      run: async () => {
        results.set(keyOfBuild(build), await buildOne(build, request, results, servers));
      },
    }));
  await runTasks(tasks, options.atOnce ?? Math.max(2, Math.floor(availableParallelism() / 2)));
  for (const build of planned.builds) {
    if (!options.load.includes(build.planned.name)) continue;
    await loadOne(build, request, results.get(keyOfBuild(build))!.digest);
  }
  return results;
}

function keyOfBuild({ planned }: PlannedBuild): string {
  return keyOf(planned.name, planned.platform);
}

function refOf({ planned }: PlannedBuild, { plan }: PlannedChain): LayerRef {
  const { name, platform } = planned;
  const several = plan.layers.some((other) => other.name === name && other.platform !== platform);
  return { layer: name, platform, ...(several ? { severalPlatforms: true } : {}) };
}

function reused({ planned }: PlannedBuild): BuiltLayer {
  const { name, platform, image, repository, fingerprint } = planned;
  return {
    name,
    platform,
    image,
    repository,
    fingerprint,
    outcome: 'reused',
    digest: planned.digest!,
    seconds: 0,
    bytes: 0,
  };
}

async function buildOne(
  build: PlannedBuild,
  request: BuildLayersRequest,
  results: ReadonlyMap<string, BuiltLayer>,
  servers: PackageServers,
): Promise<BuiltLayer> {
  const { config, lock, store, engine, options, onEvent, signal } = request;
  signal.throwIfAborted();
  const ref = refOf(build, request.planned);
  const { name, platform, image, repository, fingerprint } = build.planned;
  const lookup: ParentLookup = {
    config,
    lock,
    store,
    ...(options.registries === undefined ? {} : { registries: options.registries }),
    signal,
    digestOf: (layer): Digest => results.get(keyOf(layer, platform))!.digest,
  };
  const begun = Date.now();
  const seconds = () => (Date.now() - begun) / 1000;
  onEvent({ ...ref, kind: 'started' });
  try {
    const { branch, revision, run, source } = options;
    const built = await buildLayer({
      build,
      lookup,
      engine: engine!,
      servers,
      env: options.env,
      noCache: options.force.includes(name),
      ...(branch === undefined ? {} : { branch }),
      ...(revision === undefined ? {} : { revision }),
      ...(run === undefined ? {} : { run }),
      ...(source === undefined ? {} : { source }),
      signal,
      onStep: (event) => onEvent({ ...ref, kind: 'step', event }),
      onSaving: () => onEvent({ ...ref, kind: 'saving' }),
    });
    const result: BuiltLayer = { name, platform, image, repository, fingerprint, ...built, seconds: seconds() };
    onEvent({ ...ref, kind: 'done', ...built, seconds: result.seconds });
    return result;
  } catch (error) {
    onEvent({ ...ref, kind: 'failed', seconds: seconds() });
    throw error;
  }
}

async function loadOne(build: PlannedBuild, request: BuildLayersRequest, digest: Digest): Promise<void> {
  const { store, engine, onEvent, signal } = request;
  const { platform, image, repository } = build.planned;
  if (!samePlatform(parsePlatform(platform), hostPlatform())) return;
  const manifest = await store.getManifest(repository, digest);
  if (manifest === undefined) {
    const because = `${repository}@${digest} is no longer in ${store.name}`;
    throw new Failure({ doing: `loading ${image}`, because, fix: 'run it again' });
  }
  onEvent({ ...refOf(build, request.planned), kind: 'loading', name: image });
  const { descriptor, bytes } = manifest;
  const openBlob: Parameters<NonNullable<Engine['load']>>[0]['openBlob'] = (blob) =>
    store.openBlob(repository, blob, signal);
  await engine!.load!({ descriptor, manifest: bytes, openBlob }, image, signal);
}
