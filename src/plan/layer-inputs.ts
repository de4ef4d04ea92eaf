import { analyse } from '../dockerfile/analyse.ts';
import type { Analysis, ImageTraits } from '../dockerfile/analysis.ts';
import type { BuildContext, HashedEntry } from '../context/context.ts';
import { Failure, Failures } from '../failure.ts';
import { digestOf } from '../oci/digest.ts';
import { hostPlatform, platformName } from '../oci/platform.ts';
import type { Lock, LockedPlatform } from '../lock/lock.ts';
import type { Layer } from '../config/config.ts';
import type { PackageUse } from '../dockerfile/packages.ts';
import type { FoundPackages, PackageFile } from '../packages/folder.ts';
import type { ChainLink } from './chain.ts';
import { fingerprintOf, inputsVersion } from './fingerprint.ts';
import { usedImage, type UsedImage } from './graph.ts';
import type { Input, OtherInput } from './input.ts';

/** Everything that decides what one layer's build makes on one platform. */
export interface LayerInputs {
  link: ChainLink;
  analysis: Analysis;
  /** The analysis' images, each with where it comes from. */
  images: UsedImage[];
  /** Files outside of the context that it takes from its packages folder. */
  packages: PackageFile[];
  fingerprint: string;
  /** The input manifest. It is put together when it is asked for: of a layer that is reused nobody asks. */
  readonly inputs: Input[];
  /** For the children. */
  traits: ImageTraits;
}

/** What is known of the images below a layer when its turn comes. */
export interface Below {
  /** Of the layers that were gone through before, by layer name, on the same platform. */
  layers: ReadonlyMap<string, Pick<LayerInputs, 'traits'>>;
  lock: Lock;
}

/** As Below, with what a fingerprint rests on. */
export interface BelowInputs extends Below {
  layers: ReadonlyMap<string, LayerInputs>;
  layersByReference: Map<string, Layer>;
  findPackages(layer: Layer, uses: readonly PackageUse[]): Promise<FoundPackages>;
  /** Of the builds: what `prepare:` names of it counts. */
  env: NodeJS.ProcessEnv;
}

function lockedPlatform(below: Below, link: ChainLink, image: UsedImage & { kind: 'base' }): LockedPlatform {
  const wanted = platformName(image.use.platform ?? link.platform);
  const locked = below.lock.bases.get(image.reference)?.platforms.get(wanted);
  if (locked) return locked;
  throw new Failure({
    doing: `planning ${link.layer.name}`,
    because: `imgbuild.lock has no ${wanted} image of ${image.use.reference}`,
    fix: 'run `imgbuild lock`',
    at: image.use.at,
    kind: 'input',
  });
}

function parentInputs(below: BelowInputs, link: ChainLink, image: UsedImage & { kind: 'layer' }): LayerInputs {
  const parent = below.layers.get(image.layer);
  if (parent) return parent;
  throw new Failure({
    doing: `planning ${link.layer.name}`,
    because: `it uses the image of ${image.layer} through ONBUILD, which its own Dockerfile does not show`,
    fix: `add \`needs: [${image.layer}]\` to layer ${link.layer.name}`,
    at: image.use.at,
    kind: 'input',
  });
}

function traitsOf(below: Below, link: ChainLink, reference: string): ImageTraits | undefined {
  const image = link.images.find((candidate) => candidate.use.reference === reference);
  if (!image) return undefined;
  return image.kind === 'layer' ? below.layers.get(image.layer)?.traits : lockedPlatform(below, link, image);
}

function imageInputs(below: BelowInputs, link: ChainLink, images: readonly UsedImage[]): OtherInput[] {
  return images.map((image): OtherInput => {
    if (image.kind === 'layer') {
      const { fingerprint } = parentInputs(below, link, image);
      return { kind: 'parent', layer: image.layer, reference: image.use.reference, fingerprint };
    }
    return {
      kind: 'base',
      reference: image.use.reference,
      digest: lockedPlatform(below, link, image).identity.digest,
    };
  });
}

function fileInput({ path, mode, hash }: HashedEntry): Input {
  return { kind: 'file', path, mode, hash };
}

/** Needs of which the Dockerfile says nothing: the layer is built anew when they are. */
function declaredNeeds(below: BelowInputs, link: ChainLink, images: readonly UsedImage[]): OtherInput[] {
  const seen = new Set(images.flatMap((image) => (image.kind === 'layer' ? [image.layer] : [])));
  return link.layer.needs
    .filter((name) => !seen.has(name))
    .map((name) => ({
      kind: 'parent',
      layer: name,
      reference: 'needs',
      fingerprint: below.layers.get(name)!.fingerprint,
    }));
}

/** What building the layer reads, as far as its Dockerfile and the images below it tell. */
export function analyseLink({ layer, platform, dockerfile, args, ...link }: ChainLink, below: Below): Analysis {
  return analyse(dockerfile, {
    ...(layer.target === undefined ? {} : { target: layer.target }),
    ...(layer.packages === undefined ? {} : { packages: { at: layer.packagesAt } }),
    args,
    platform,
    buildPlatform: hostPlatform(),
    traitsOf: (reference) => traitsOf(below, { layer, platform, dockerfile, args, ...link }, reference),
  });
}

function packageInput({ path, sha256, executable, uses }: PackageFile): OtherInput {
  // What a step fetches comes without modes.
  const seen = uses.some(({ via }) => via !== 'url');
  return { kind: 'package', path, sha256, ...(seen ? { mode: executable ? '100755' : '100644' } : {}) };
}

async function prepareInputs(
  { prepare }: Layer,
  context: BuildContext,
  variables: NodeJS.ProcessEnv,
): Promise<OtherInput[]> {
  if (!prepare) return [];
  const files = await context.prepareInputs();
  const env = prepare.env.map((name) => `${name}=${digestOf(variables[name] ?? '')}`);
  return [
    { kind: 'prepare', run: prepare.run, outputs: prepare.outputs, env },
    ...files.map(({ path, mode, hash }) => ({ kind: 'prepare-file', path, mode, hash }) as const),
  ];
}

/** Reads and hashes what the layer's target reads, and makes its fingerprint. docs/fingerprints.md says why each. */
export async function layerInputs(link: ChainLink, context: BuildContext, below: BelowInputs): Promise<LayerInputs> {
  const { layer, platform } = link;
  const analysis = analyseLink(link, below);
  const { files: packages, failures } = await below.findPackages(layer, analysis.packages);
  if (failures.length > 0) throw failures.length === 1 ? failures[0]! : new Failures(failures);
  const images = analysis.images.map((use) => usedImage(use, below.layersByReference));
  const files = analysis.unresolved.length > 0 ? await context.all() : await context.select(analysis.files);
  const epoch = layer.refresh === undefined ? undefined : below.lock.epochs.get(layer.name);
  const syntax = analysis.syntax && below.lock.syntaxes.get(analysis.syntax.reference);
  const others: OtherInput[] = [
    { kind: 'tool', name: 'imgbuild-inputs', version: inputsVersion },
    { kind: 'platform', value: platformName(platform) },
    ...(layer.target === undefined ? [] : [{ kind: 'target', value: layer.target } as const]),
    ...analysis.inputs,
    ...Object.entries(layer.labels).map(([name, value]) => ({ kind: 'label', name, value }) as const),
    ...imageInputs(below, link, images),
    ...declaredNeeds(below, link, images),
    ...(syntax === undefined
      ? []
      : [{ kind: 'base', reference: `# syntax=${analysis.syntax!.reference}`, digest: syntax } as const]),
    ...(epoch === undefined ? [] : [{ kind: 'epoch', value: epoch } as const]),
    ...packages.map(packageInput),
    ...(await prepareInputs(layer, context, below.env)),
  ];
  return {
    link,
    analysis,
    images,
    packages,
    fingerprint: fingerprintOf(others, files),
    get inputs() {
      return [...others, ...Array.from(files, fileInput)];
    },
    traits: analysis.traits,
  };
}
