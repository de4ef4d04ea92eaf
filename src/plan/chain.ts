import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Config, Layer } from '../config/config.ts';
import { isBuilderArg } from '../dockerfile/analyse.ts';
import { imageReferences, triggersOfImage } from '../dockerfile/images.ts';
import type { ImageTraits } from '../dockerfile/analysis.ts';
import { placeOfLine } from '../dockerfile/generated.ts';
import { wordsOf } from '../dockerfile/instruction.ts';
import { machineOf } from '../dockerfile/packages.ts';
import { parseDockerfile, type Dockerfile } from '../dockerfile/parse.ts';
import { skipStages } from '../dockerfile/skip.ts';
import type { StageOptions } from '../dockerfile/stages.ts';
import { Failure } from '../failure.ts';
import { emptyLock, type Lock } from '../lock/lock.ts';
import { hostPlatform, platformName, samePlatform, type Platform } from '../oci/platform.ts';
import { normalReference } from '../oci/reference.ts';
import { chainOrder, layersByReference, usedImage, type Edge, type UsedImage } from './graph.ts';

/** One layer on one platform, with the images that it uses. */
export interface ChainLink {
  layer: Layer;
  platform: Platform;
  /** As it is built: without the stages that `skip:` leaves out. */
  dockerfile: Dockerfile;
  /** As it stands in the tree. */
  written: Dockerfile;
  args: Record<string, string>;
  /** By the names of ARGs: the options whose values they have. */
  options: ReadonlyMap<string, string>;
  images: UsedImage[];
  /** Names of the layers that it needs, on the same platform: by its Dockerfile and by `needs:`. */
  parents: string[];
}

/** All layers on all their platforms, parents first. */
export interface Chain {
  links: ChainLink[];
  parents: Map<string, string[]>;
}

/** An outside image that some layer begins with or copies from. `reference` is in its normal form. */
export interface NeededBase {
  reference: string;
  platform: Platform;
  layer: string;
  use: UsedImage['use'];
}

async function readDockerfile(config: Config, layer: Layer): Promise<Dockerfile> {
  const { generated } = layer;
  if (generated) return parseDockerfile(generated.text, layer.dockerfile, (line) => placeOfLine(generated, line));
  const file = path.join(config.root, layer.dockerfile);
  try {
    return parseDockerfile(await readFile(file, 'utf8'), layer.dockerfile);
  } catch (error) {
    if (error instanceof Failure) throw error;
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new Failure({
      doing: `reading the Dockerfile of layer ${layer.name}`,
      because: missing ? `there is no file ${layer.dockerfile}` : (error as Error).message,
      fix: 'set `dockerfile:` of the layer, or create the file',
      at: config.locate(['layers', layer.name]),
      kind: 'input',
      cause: error,
    });
  }
}

function checkPlatforms(config: Config, links: readonly ChainLink[]): void {
  for (const link of links) {
    for (const image of link.images) {
      if (image.kind !== 'layer' || image.use.platform === undefined) continue;
      throw new Failure({
        doing: `planning ${link.layer.name} for ${platformName(link.platform)}`,
        because: `it takes ${image.layer} for ${platformName(image.use.platform)}, and a layer is built on its parents' images for its own platform`,
        fix: 'leave --platform out of this FROM',
        at: image.use.at,
        kind: 'input',
      });
    }
    for (const name of link.parents) {
      const parent = config.layers.find((layer) => layer.name === name)!;
      if (parent.platforms.some((platform) => samePlatform(platform, link.platform))) continue;
      throw new Failure({
        doing: `planning ${link.layer.name} for ${platformName(link.platform)}`,
        because: `its parent ${name} is built for ${parent.platforms.map(platformName).join(', ')} only`,
        fix: `add ${platformName(link.platform)} to the platforms of ${name}`,
        at: config.locate(['layers', name]),
        kind: 'input',
      });
    }
  }
}

/**
 * `ARG ARCH` without a default, in a layer with packages: what `uname -m` says on the platform, as the names of installers
 * have it. One value for all platforms would be wrong for all but one.
 */
function machineArg({ packages }: Layer, { instructions }: Dockerfile, platform: Platform): Record<string, string> {
  if (packages === undefined) return {};
  const words = instructions.flatMap((each) => (each.keyword === 'ARG' ? wordsOf(each) : []));
  const hasDefault = words.some((word) => word.startsWith('ARCH='));
  return words.includes('ARCH') && !hasDefault ? { ARCH: machineOf(platform) } : {};
}

function stageOptions(config: Config, layer: Layer, platform: Platform, dockerfile: Dockerfile): StageOptions {
  const target =
    layer.target === undefined
      ? {}
      : { target: layer.target, targetAt: config.locate(['layers', layer.name, 'target']) };
  const args = {
    ...machineArg(layer, dockerfile, platform),
    ...optionValues(config),
    ...config.args,
    ...layer.args,
  };
  const packages = layer.packages === undefined ? {} : { packages: { at: layer.packagesAt } };
  return { ...target, ...packages, args, platform, buildPlatform: hostPlatform() };
}

/** No option is an arg of the builder itself: these reach layers that do not declare them. */
function optionValues({ options }: Config): Record<string, string> {
  const given = Array.from(options?.args ?? [], ([name, { value }]) => [name, value] as const);
  return Object.fromEntries(given.filter(([name]) => !isBuilderArg(name)));
}

function optionsOf({ options }: Config, layer: Layer): Map<string, string> {
  const given = Array.from(options?.args ?? [], ([name, { option }]) => [name, option] as const);
  return new Map(given.filter(([name]) => !Object.hasOwn(layer.args, name)));
}

/** The Dockerfile as the layer builds it. */
function withoutSkipped(config: Config, layer: Layer, written: Dockerfile, options: StageOptions): Dockerfile {
  const skip = layer.skip.map((name, index) => ({ name, at: config.locate(['layers', layer.name, 'skip', index]) }));
  return skipStages(written, skip, options);
}

function edgeOf(config: Config, links: readonly ChainLink[], child: string, parent: string): Edge | undefined {
  const own = links.filter(({ layer }) => layer.name === child);
  for (const image of own.flatMap(({ images }) => images)) {
    if (image.kind === 'layer' && image.layer === parent) return { via: image.use.via, at: image.use.at };
  }
  const index = own[0]?.layer.needs.indexOf(parent) ?? -1;
  return index < 0 ? undefined : { via: 'needs', at: config.locate(['layers', child, 'needs', index]) };
}

/**
 * Reads every Dockerfile and finds the edges between the layers. Nothing outside the repository is asked. What ONBUILD
 * triggers of outside bases name is found as far as the lock has these bases.
 */
export async function readChain(config: Config, lock: Lock = emptyLock()): Promise<Chain> {
  const byReference = layersByReference(config);
  const dockerfiles = new Map<string, Dockerfile>();
  for (const layer of config.layers) dockerfiles.set(layer.name, await readDockerfile(config, layer));
  const traitsOf = (text: string, platform: Platform): ImageTraits | undefined => {
    const reference = normalReference(text) ?? '';
    const layer = byReference.get(reference);
    // Triggers alone name further images.
    if (layer) {
      const dockerfile = dockerfiles.get(layer.name)!;
      return { env: [], onbuild: triggersOfImage(dockerfile, stageOptions(config, layer, platform, dockerfile)) };
    }
    const locked = lock.bases.get(reference)?.platforms;
    return locked?.get(platformName(platform)) ?? locked?.values().next().value;
  };
  const links: ChainLink[] = [];
  for (const layer of config.layers) {
    const written = dockerfiles.get(layer.name)!;
    for (const platform of layer.platforms) {
      const options = stageOptions(config, layer, platform, written);
      const dockerfile = withoutSkipped(config, layer, written, options);
      const { args } = options;
      const uses = imageReferences(dockerfile, { ...options, traitsOf: (reference) => traitsOf(reference, platform) });
      const images = uses.map((use) => usedImage(use, byReference));
      const own = images.flatMap((image) => (image.kind === 'layer' ? [image.layer] : []));
      const parents = [...new Set([...own, ...layer.needs])];
      links.push({ layer, platform, dockerfile, written, args, options: optionsOf(config, layer), images, parents });
    }
  }
  const parents = new Map<string, string[]>();
  for (const link of links) {
    const known = parents.get(link.layer.name) ?? [];
    parents.set(link.layer.name, [...new Set([...known, ...link.parents])]);
  }
  checkPlatforms(config, links);
  const order = chainOrder(
    config.layers.map((layer) => layer.name),
    parents,
    (child, parent) => edgeOf(config, links, child, parent),
  );
  links.sort((a, b) => order.indexOf(a.layer.name) - order.indexOf(b.layer.name));
  return { links, parents };
}

/** Every outside image of the chain, once per platform; `scratch` is none. */
export function neededBases(links: readonly ChainLink[]): NeededBase[] {
  const found = new Map<string, NeededBase>();
  for (const { layer, platform, images } of links) {
    for (const image of images) {
      if (image.kind !== 'base') continue;
      const wanted = image.use.platform ?? platform;
      const key = `${image.reference} ${platformName(wanted)}`;
      if (!found.has(key))
        found.set(key, { reference: image.reference, platform: wanted, layer: layer.name, use: image.use });
    }
  }
  return [...found.values()];
}
