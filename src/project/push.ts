import { didYouMean } from '../config/did-you-mean.ts';
import { parseStoreAddress } from '../config/store-address.ts';
import { Wrong } from '../config/wrong.ts';
import { Failure } from '../failure.ts';
import type { Digest } from '../oci/digest.ts';
import type { PlannedLayer } from '../plan/plan.ts';
import type { Progress } from '../progress.ts';
import type { CredentialSource } from '../registry/credentials.ts';
import { checkTag, openTarget, pushImages, taggedManifest, type ImageToPush, type PushedTag } from '../release/push.ts';
import { readRelease } from '../release/release-store.ts';
import { releasedLayers } from '../release/released-layers.ts';
import { versionOfTag } from '../release/version.ts';
import type { LayerStore } from '../store/layer-store.ts';
import type { Project } from './open.ts';
import { planProject } from './plan.ts';

export interface PushProjectOptions {
  /** Names of layers or their images; those that a release has, where empty. */
  images: readonly string[];
  tags: readonly string[];
  /** A registry and path, or a folder; the store itself where absent. */
  to?: string | undefined;
  /** For `to`; what Docker knows where absent. */
  credentials?: CredentialSource;
  frozen: boolean;
  progress: Progress;
  signal: AbortSignal;
}

/**
 * Puts tags, and those that the configuration declares, on the images that are saved for what is checked out. A tag
 * that is a version which was released with another image is refused, with no tag touched.
 */
export async function pushProject(project: Project, options: PushProjectOptions): Promise<PushedTag[]> {
  const { config, store } = project;
  const tags = options.tags.map(checkTag);
  const target = options.to === undefined ? undefined : targetOf(options.to, config.root, options);
  const named = options.images.map((image) => layerNamed(project, image));
  const { plan } = await planProject(project, {
    layers: [],
    force: [],
    frozen: options.frozen,
    progress: options.progress,
    signal: options.signal,
  });
  const parents = new Map(plan.layers.map(({ name, parents: own }) => [name, own]));
  const names = named.length > 0 ? named : releasedLayers(config, parents).map(({ name }) => name);
  const images = [...new Set(names)].map((name): ImageToPush => {
    const own = plan.layers.filter((layer) => layer.name === name);
    const { image } = config.layers.find((layer) => layer.name === name)!;
    const declared = image.text.endsWith(`:${image.tag}`) ? [image.tag] : [];
    const all = [...new Set([...tags, ...declared])];
    if (all.length === 0) {
      throw new Failure({
        doing: `pushing ${name}`,
        because: `no tag is given, and its image ${image.text} declares none`,
        fix: 'give one with --tag, or write image: NAME:TAG in imgbuild.yaml',
        kind: 'input',
      });
    }
    const platforms = own.map((layer) => ({ platform: layer.platform, digest: savedDigest(layer) }));
    return { name, repository: own[0]!.repository, platforms, tags: all };
  });
  if (target === undefined) for (const image of images) await refuseReleased(store, image);
  return pushImages(store, images, {
    progress: options.progress,
    signal: options.signal,
    ...(target === undefined ? {} : { target }),
  });
}

function targetOf(to: string, root: string, { signal, credentials }: PushProjectOptions) {
  try {
    return openTarget(parseStoreAddress(to, root), { signal, ...(credentials ? { credentials } : {}) });
  } catch (error) {
    if (!(error instanceof Wrong)) throw error;
    throw new Failure({ doing: `reading --to ${to}`, because: error.message, fix: error.fix, kind: 'input' });
  }
}

function layerNamed({ config }: Project, text: string): string {
  const found = config.layers.find(
    ({ name, aliases, image }) =>
      text === name ||
      aliases.includes(text) ||
      text === image.text ||
      text === image.path ||
      text === `${image.path}:${image.tag}`,
  );
  if (found) return found.name;
  const known = config.layers.flatMap(({ name, image }) => [name, image.path]);
  const near = didYouMean(text, known);
  throw new Failure({
    doing: 'choosing the images to push',
    because: `there is no layer or image ${JSON.stringify(text)} in imgbuild.yaml`,
    fix:
      near === undefined
        ? `the layers are ${config.layers.map(({ name }) => name).join(', ')}`
        : `did you mean ${near}?`,
    kind: 'input',
  });
}

function savedDigest({ name, platform, digest }: PlannedLayer): Digest {
  if (digest !== null) return digest;
  throw new Failure({
    doing: `pushing ${name} (${platform})`,
    because: 'it is not saved as it is declared now (`imgbuild plan` says why)',
    fix: `build it first: imgbuild build ${name}`,
  });
}

async function refuseReleased(store: LayerStore, image: ImageToPush): Promise<void> {
  for (const tag of image.tags) {
    const version = versionOfTag(tag);
    const released = version === undefined ? undefined : await readRelease(store, version);
    const before = released?.release.images.filter(({ repository }) => repository === image.repository) ?? [];
    if (before.length === 0) continue;
    const { digest } = (await taggedManifest(store, image)).descriptor;
    if (before.some((each) => (each.index ?? each.digest) === digest)) continue;
    throw new Failure({
      doing: `pushing ${image.name} as ${tag}`,
      because: `release ${version} has another image under this tag`,
      fix: 'a release never changes: choose another tag',
      kind: 'input',
    });
  }
}
