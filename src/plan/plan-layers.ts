import type { Config, Layer } from '../config/config.ts';
import { openContext, type BuildContext, type WorkTree } from '../context/context.ts';
import { Failures, type Failure } from '../failure.ts';
import type { Lock } from '../lock/lock.ts';
import type { PackageUse } from '../dockerfile/packages.ts';
import type { Digest } from '../oci/digest.ts';
import { platformName } from '../oci/platform.ts';
import { carelessScripts, notHere, type FoundPackages } from '../packages/folder.ts';
import type { LayerStore } from '../store/layer-store.ts';
import { findSaved } from '../store/saved-layer.ts';
import type { Chain, ChainLink } from './chain.ts';
import { compareWithFormer, type FormerImage } from './compare.ts';
import { missingSources } from './missing-sources.ts';
import { decide, explainedReasons, type Decision, type SavedState } from './decide.ts';
import { layersByReference, withAncestors } from './graph.ts';
import { layerInputs, type LayerInputs } from './layer-inputs.ts';
import type { Plan, PlannedLayer, Reason } from './plan.ts';
import { wavesOf } from './waves.ts';

export interface PlanRequest {
  config: Config;
  chain: Chain;
  /** With every outside base of the chain: `resolveMissing` has filled in what imgbuild.lock lacks. */
  lock: Lock;
  store: LayerStore;
  tree: WorkTree;
  /** Names of layers that there are (`layersNamed`); empty means all. Their ancestors are planned too. */
  layers: readonly string[];
  /** Names of layers to build whatever the store has. */
  force: readonly string[];
  /** Which former image the reasons compare with. Explanation only, never reuse. */
  former(link: ChainLink): Promise<FormerImage | undefined>;
  /** Says of reused layers, too, what differs from their former images. */
  compareReused: boolean;
  /** What the uses of a layer mean in its packages folder; files are hashed. */
  findPackages(layer: Layer, uses: readonly PackageUse[]): Promise<FoundPackages>;
  /** Of the builds: what `prepare:` names of it counts. */
  env: NodeJS.ProcessEnv;
  signal?: AbortSignal;
}

/** One layer on one platform as planned, with all that its build needs. */
export interface PlannedBuild {
  planned: PlannedLayer;
  inputs: LayerInputs;
  context: BuildContext;
  /** The image that the reasons compare with. */
  former: FormerImage | undefined;
  /** All of them; `planned.reasons` holds the first 20. */
  reasons: Reason[];
}

export interface PlannedChain {
  plan: Plan;
  /** Parents before children. */
  builds: PlannedBuild[];
}

const reasonsShown = 20;

const keyOf = (name: string, platform: string) => `${name} ${platform}`;

function wantedLinks(request: PlanRequest): ChainLink[] {
  const names = request.config.layers.map((layer) => layer.name);
  const wanted = withAncestors(request.layers.length > 0 ? request.layers : names, request.chain.parents);
  return request.chain.links.filter((link) => wanted.has(link.layer.name));
}

/** Inputs of every link; independent ones side by side, children after their parents. */
async function allInputs(request: PlanRequest, links: readonly ChainLink[]) {
  const byReference = layersByReference(request.config);
  const contexts = new Map<string, Promise<BuildContext>>();
  const inputs = new Map<string, Promise<LayerInputs>>();
  const contextOf = (link: ChainLink): Promise<BuildContext> => {
    const known = contexts.get(link.layer.name);
    if (known) return known;
    const { config } = request;
    const { name, copy, prepare } = link.layer;
    const opened = openContext({
      root: config.root,
      layer: {
        ...link.layer,
        copy: copy.map((entry, index) => ({
          ...entry,
          locate: (key) => config.locate(['layers', name, 'copy', index, key]),
        })),
        ...(prepare
          ? {
              prepare: {
                ...prepare,
                locate: (...path: (string | number)[]) => config.locate(['layers', name, 'prepare', ...path]),
              },
            }
          : {}),
      },
      tree: request.tree,
      signal: request.signal,
    });
    contexts.set(link.layer.name, opened);
    return opened;
  };
  for (const link of links) {
    const platform = platformName(link.platform);
    const make = async (): Promise<LayerInputs> => {
      const below = new Map<string, LayerInputs>();
      for (const name of link.parents) below.set(name, await inputs.get(keyOf(name, platform))!);
      request.signal?.throwIfAborted();
      const context = await contextOf(link);
      const { lock, findPackages, env } = request;
      return layerInputs(link, context, { layers: below, lock, layersByReference: byReference, findPackages, env });
    };
    inputs.set(keyOf(link.layer.name, platform), make());
  }
  // All are awaited before the first failure is thrown: no other may go unhandled.
  const settled = await Promise.allSettled(inputs.values());
  for (const outcome of settled) if (outcome.status === 'rejected') throw outcome.reason;
  return Promise.all(
    links.map(async (link) => ({
      link,
      inputs: await inputs.get(keyOf(link.layer.name, platformName(link.platform)))!,
      context: await contextOf(link),
    })),
  );
}

async function savedState(store: LayerStore, repository: string, fingerprint: string): Promise<SavedState> {
  const saved = await findSaved(store, repository, fingerprint);
  return saved.kind === 'saved' ? { kind: 'saved', digest: saved.digest, parents: saved.parents } : saved;
}

/** What was decided for each parent, by its Dockerfile or by `needs:`; links come parents first. */
function parentDecisions(inputs: LayerInputs, decisions: ReadonlyMap<string, Decision>) {
  const platform = platformName(inputs.link.platform);
  return inputs.link.parents.map((name) => {
    const decision = decisions.get(keyOf(name, platform))!;
    const digest: Digest | null = decision.action === 'reuse' ? decision.digest : null;
    return { name, action: decision.action, digest };
  });
}

/** What a step that installs packages does not tell when it fails. */
async function installerWarnings({ link, analysis, packages }: LayerInputs): Promise<string[]> {
  const careless = await carelessScripts(packages, analysis.scripts);
  return [
    ...analysis.ignoredFailures.map(({ at, command }) => {
      return `${link.layer.name}: ${at.file}:${at.line}: ${command}: the build goes on when it fails; write && in place of ;, or set -e in front`;
    }),
    ...careless.map(({ at, name }) => {
      return `${link.layer.name}: ${at.file}:${at.line}: ${name} has no set -e: the build goes on when an installer fails in it`;
    }),
  ];
}

/** Modes that the build will not have. Each file of the context is looked at. */
async function modeWarnings({ link }: LayerInputs, context: BuildContext): Promise<string[]> {
  return (await context.lostModes()).map(({ origin, mode }) => {
    const becomes = (mode & 0o111) === 0 ? '0644' : '0755';
    return `${link.layer.name}: ${origin} has mode 0${(mode & 0o7777).toString(8)}; in the build it is ${becomes}`;
  });
}

/**
 * What is to be built and why. Pure but for what it reads: the files of the contexts, and manifests from the store;
 * nothing is written and no layer is pulled. Throws what is wrong with the Dockerfiles and the contexts of what is built.
 */
export async function planLayers(request: PlanRequest): Promise<PlannedChain> {
  const links = wantedLinks(request);
  const all = await allInputs(request, links);
  const saved = await Promise.all(
    all.map(({ link, inputs }) => savedState(request.store, link.layer.image.path, inputs.fingerprint)),
  );
  const decisions = new Map<string, Decision>();
  for (const [index, { link, inputs }] of all.entries()) {
    const decision = decide({
      saved: saved[index]!,
      parents: parentDecisions(inputs, decisions),
      forced: request.force.includes(link.layer.name),
      unpinned: inputs.analysis.unpinned.map(({ url }) => url),
    });
    decisions.set(keyOf(link.layer.name, platformName(link.platform)), decision);
  }
  const warnings: string[] = [...(request.config.options?.warnings ?? [])];
  const failures: Failure[] = [];
  const builds = await Promise.all(
    all.map(async ({ link, inputs, context }): Promise<PlannedBuild> => {
      const platform = platformName(link.platform);
      const decision = decisions.get(keyOf(link.layer.name, platform))!;
      const building = decision.action === 'build';
      const former = building || request.compareReused ? await request.former(link) : undefined;
      const changed = former && compareWithFormer(former, inputs);
      const reasons = building ? explainedReasons(decision.reasons, changed) : (changed ?? []);
      if (building) {
        for (const { at, why } of inputs.analysis.unresolved) {
          reasons.push({ kind: 'unresolved-source', line: at.line, detail: why });
        }
        const missing = await missingSources(request.config.root, inputs, context);
        failures.push(...missing.failures);
        failures.push(...inputs.packages.filter(({ here }) => !here).map((file) => notHere(file, link.layer.name)));
        warnings.push(
          ...missing.warnings,
          ...(await modeWarnings(inputs, context)),
          ...(await installerWarnings(inputs)),
        );
      }
      const planned: PlannedLayer = {
        name: link.layer.name,
        platform,
        image: link.layer.image.text,
        repository: link.layer.image.path,
        fingerprint: inputs.fingerprint,
        action: decision.action,
        digest: building ? null : decision.digest,
        parents: link.parents,
        wave: null,
        comparedWith: former?.digest ?? null,
        reasons: reasons.slice(0, reasonsShown),
        reasonCount: reasons.length,
      };
      return { planned, inputs, context, former, reasons };
    }),
  );
  throwOnce(failures);
  const layers = builds.map((build) => build.planned);
  const waves = wavesOf(layers);
  for (const [wave, members] of waves.entries()) for (const layer of members) layer.wave = wave;
  const plan: Plan = {
    schema: 1,
    store: request.store.name,
    layers,
    waves: waves.map((members) => members.map(({ name, platform }) => ({ name, platform }))),
    hasWork: waves.length > 0,
    warnings: [...new Set(warnings)].toSorted(),
  };
  return { plan, builds };
}

/** Platforms of one layer have the same to say. */
function throwOnce(failures: readonly Failure[]): void {
  const byMessage = new Map(
    failures.map((failure) => [`${failure.at?.file}:${failure.at?.line} ${failure.message}`, failure]),
  );
  const [first, ...others] = byMessage.values();
  if (first === undefined) return;
  throw others.length === 0 ? first : new Failures([first, ...others]);
}
