import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadConfig } from '../../src/config/load.ts';
import { openContext, openWorkTree } from '../../src/context/context.ts';
import { Failure } from '../../src/failure.ts';
import { emptyLock, type Lock } from '../../src/lock/lock.ts';
import { hostPlatform, platformName } from '../../src/oci/platform.ts';
import { noPackages } from '../../src/packages/folder.ts';
import { readChain, type ChainLink } from '../../src/plan/chain.ts';
import { layersByReference } from '../../src/plan/graph.ts';
import type { Input } from '../../src/plan/input.ts';
import { layerInputs, type LayerInputs } from '../../src/plan/layer-inputs.ts';
import * as engine from './buildkit.ts';
import type { Edit } from './edits.ts';
import { Checkout, imageReference, outerReference, outsideReference, type LayerName, type World } from './world.ts';

/** One layer after one edit: what it is made from by imgbuild's reckoning, and what BuildKit did. */
export interface Observation {
  world: string;
  /** Its place in the world's history; 0 is the beginning. */
  step: number;
  /** The kind of edit that led here. */
  edit: string;
  layer: LayerName;
  inputs: Input[];
  ran: string[];
  image: engine.BuiltImage;
}

export interface Observed {
  observations: Observation[];
  /** Edits that the engine refused (a source was gone, say), by kind: they were undone. */
  refused: Record<string, number>;
}

/** A world, and the edits to make in it one after the other. */
export interface History {
  buildkit: engine.BuildKit;
  world: World;
  /** Whether the beginning is committed to a git repository. */
  commit: boolean;
  /** The next edit for a world as it is, with the name of its kind; undefined at the end. */
  next(world: World, states: readonly World[]): { kind: string; change: ReturnType<Edit>; world: World } | undefined;
}

/** The layer's state as far as the world says it, without what happened on the disk alone. */
function ownState(world: World, layer: LayerName): string {
  const files = [...world.files].filter(([name]) => layer === 'app' || name.startsWith('base/'));
  const rest = layer === 'app' ? world : { args: world.args, outside: world.outside };
  return JSON.stringify([files.toSorted(), world.dockerfiles[layer], rest]);
}

/** Sees what imgbuild and BuildKit make of each state of a world. */
class Observer {
  readonly #buildkit: engine.BuildKit;
  readonly #checkout: Checkout;
  readonly #facts = new Map<string, Promise<engine.ImageFacts>>();
  #outside: World['outside'] | undefined;
  /** Of base: its state and inputs when it was last built. */
  #base: { state: string; lines: string } | undefined;

  constructor(buildkit: engine.BuildKit, checkout: Checkout) {
    this.#buildkit = buildkit;
    this.#checkout = checkout;
  }

  async #lock(world: World): Promise<Lock> {
    if (this.#outside !== world.outside) {
      await engine.tag(this.#buildkit, `outside-${world.outside}`, outsideReference(world));
      if (this.#outside === undefined) await engine.tag(this.#buildkit, 'outside-b', outerReference(world));
      this.#outside = world.outside;
    }
    const lock = emptyLock();
    for (const [reference, name] of [
      [outsideReference(world), `outside-${world.outside}`],
      [outerReference(world), 'outside-b'],
    ] as const) {
      const facts = this.#facts.get(name) ?? engine.imageFacts(this.#buildkit, name);
      this.#facts.set(name, facts);
      const { id, env, workdir, onbuild } = await facts;
      const identity = { kind: 'config', digest: id as `sha256:${string}` } as const;
      const traits = { identity, env, onbuild, ...(workdir === '' ? {} : { workdir }) };
      const platforms = new Map(['linux/arm64', platformName(hostPlatform())].map((platform) => [platform, traits]));
      lock.bases.set(`docker.io/library/${reference}`, { reference, from: 'daemon', index: null, platforms });
    }
    return lock;
  }

  #build(
    world: World,
    link: Pick<ChainLink, 'layer'> & { args: Record<string, string> },
    context: string,
    dockerfile: string,
  ) {
    const { name, target, labels, platforms } = link.layer;
    const other = platforms.map(platformName).find((platform) => platform !== platformName(hostPlatform()));
    return engine.build(this.#buildkit, {
      context,
      dockerfile,
      target,
      args: link.args,
      labels,
      ...(other === undefined ? {} : { platform: other }),
      tag: imageReference(world, name as LayerName),
    });
  }

  /** What BuildKit says where imgbuild takes a Dockerfile for wrong: it must be wrong for BuildKit, too. */
  async #refusal(world: World, refused: unknown): Promise<string> {
    if (!(refused instanceof Failure)) throw refused;
    const { root } = this.#checkout;
    for (const layer of (await loadConfig(path.join(root, 'imgbuild.yaml'))).layers) {
      const link = { layer, args: { ...world.args } };
      const built = await this.#build(world, link, path.join(root, layer.name), path.join(root, layer.dockerfile));
      if (built.kind === 'refused') return built.because;
    }
    throw refused;
  }

  /** Both layers as they are, base first; why not, when BuildKit does not take them. `look` builds base in any case. */
  async observe(
    world: World,
    look: boolean,
  ): Promise<Pick<Observation, 'layer' | 'inputs' | 'ran' | 'image'>[] | string> {
    const { root } = this.#checkout;
    const lock = await this.#lock(world);
    const config = await loadConfig(path.join(root, 'imgbuild.yaml'));
    const chain = await readChain(config).catch((error: unknown) => this.#refusal(world, error));
    if (typeof chain === 'string') return chain;
    const tree = await openWorkTree(root);
    const before = new Map<string, LayerInputs>();
    const found = [];
    for (const link of chain.links) {
      const layer = link.layer.name as LayerName;
      const context = await openContext({ root, layer: link.layer, tree });
      const below = {
        layers: before,
        lock,
        layersByReference: layersByReference(config),
        findPackages: async () => noPackages,
        env: {},
      };
      const inputs = await layerInputs(link, context, below);
      before.set(layer, inputs);
      if (layer === 'base') {
        // Where nothing of base changed, neither for the world nor for imgbuild, BuildKit need not be asked each time.
        const now = { state: ownState(world, 'base'), lines: inputs.fingerprint };
        const same = this.#base?.state === now.state && this.#base.lines === now.lines;
        this.#base = now;
        if (same && !look) continue;
      }
      const ready = await context.materialise();
      try {
        const built = await this.#build(world, link, ready.path, ready.dockerfile);
        if (built.kind === 'refused') {
          this.#base = undefined;
          return built.because;
        }
        found.push({ layer, inputs: inputs.inputs, ran: built.ran, image: built.image });
      } finally {
        await ready.dispose();
      }
    }
    return found;
  }
}

export async function observeHistory({ buildkit, world: first, commit, next }: History): Promise<Observed> {
  const root = await mkdtemp(path.join(tmpdir(), 'imgbuild-agreement-'));
  const observed: Observed = { observations: [], refused: {} };
  const states: World[] = [];
  let world = first;
  try {
    const checkout = new Checkout(root);
    const observer = new Observer(buildkit, checkout);
    const take = (edit: string, layers: Awaited<ReturnType<Observer['observe']>>): boolean => {
      if (typeof layers === 'string') return false;
      const step = states.length;
      for (const layer of layers) observed.observations.push({ world: world.id, step, edit, ...layer });
      states.push(structuredClone(world));
      return true;
    };
    await mkdir(path.join(root, 'app'), { mode: 0o755 });
    await checkout.write(world);
    if (commit) await checkout.commit();
    const start = await observer.observe(world, true);
    if (!take('start', start)) throw new Error(`world ${world.id} cannot be built: ${String(start)}`);
    for (;;) {
      const before = structuredClone(world);
      const edit = next(world, states);
      if (!edit) return observed;
      world = edit.world;
      await checkout.write(world);
      const onDisk = typeof edit.change === 'function';
      if (typeof edit.change === 'function') await edit.change(root);
      const layers = await observer.observe(world, onDisk).catch((error: unknown) => {
        throw new Error(`world ${world.id}, ${edit.kind}: ${(error as Error).message}`, { cause: error });
      });
      if (take(edit.kind, layers)) continue;
      observed.refused[edit.kind] = (observed.refused[edit.kind] ?? 0) + 1;
      world = before;
      await checkout.write(world);
    }
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** A folder to ask an engine with. */
export async function withFolder<T>(
  use: (folder: string, write: (name: string, text: string) => Promise<void>) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(path.join(tmpdir(), 'imgbuild-agreement-'));
  try {
    return await use(folder, (name, text) => writeFile(path.join(folder, name), text));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
