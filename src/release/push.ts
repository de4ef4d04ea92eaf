import type { StoreAddress } from '../config/config.ts';
import { Failure } from '../failure.ts';
import type { Digest } from '../oci/digest.ts';
import type { StoredManifest } from '../oci/manifest.ts';
import type { PlatformName } from '../oci/platform.ts';
import { isTag } from '../oci/reference.ts';
import { silent, type Progress } from '../progress.ts';
import { copyContent, repositoryOf } from '../store/copy-image.ts';
import type { LayerStore, MountSource } from '../store/layer-store.ts';
import { LayoutStore } from '../store/layout.ts';
import type { OpenStoreOptions } from '../store/open.ts';
import { RegistryStore } from '../store/registry.ts';
import { imageIndex } from './image-index.ts';

/** An image that is in the store, on each of its platforms. */
export interface ImageToPush {
  /** The layer's. */
  name: string;
  repository: string;
  platforms: { platform: PlatformName; digest: Digest }[];
  tags: string[];
}

/** A tag and what it stands on now. */
export interface PushedTag {
  name: string;
  /** `ghcr.io/acme/ccai/service_runtime:1.2.0`. */
  reference: string;
  digest: Digest;
  /** `present`: it stood there before; nothing was written. */
  outcome: 'present' | 'moved' | 'new';
}

/** A place to push to: repositories lie below `path` of the store. A registry is opened as a whole, so that all of it can be mounted from. */
export interface PushTarget {
  store: LayerStore;
  path: string;
}

export function openTarget(address: StoreAddress, registry: OpenStoreOptions['registry'] = {}): PushTarget {
  return address.kind === 'folder'
    ? { store: new LayoutStore(address.path, `oci:${address.text}`), path: '' }
    : { store: new RegistryStore(address.registry, '', registry), path: address.path };
}

export interface PushOptions {
  /** Where to push when it is not the store itself. */
  target?: PushTarget;
  progress?: Progress;
  signal?: AbortSignal;
}

/** Tags that a store keeps for itself, or that are none. Throws a Failure of kind `input`. */
export function checkTag(tag: string): string {
  const reserved = /^(fp|inputs|last)-/.test(tag);
  if (isTag(tag) && !reserved) return tag;
  throw new Failure({
    doing: `reading the tag ${JSON.stringify(tag)}`,
    because: reserved ? 'tags fp-…, inputs-… and last-… are kept for the store' : 'it is not a tag',
    fix: reserved ? 'choose another tag' : 'write at most 128 letters, digits, _ . -, no . or - first',
    kind: 'input',
  });
}

/** The manifest that a tag of the image stands on: its own, or an index over several platforms. */
export async function taggedManifest(store: LayerStore, image: ImageToPush): Promise<StoredManifest> {
  const manifests: { platform: PlatformName; manifest: StoredManifest }[] = [];
  for (const { platform, digest } of image.platforms) {
    const manifest = await store.getManifest(image.repository, digest);
    if (!manifest) {
      throw new Failure({
        doing: `pushing ${image.name} (${platform})`,
        because: `${store.name} has no ${image.repository}@${digest}`,
        fix: `build it again: imgbuild build ${image.name}`,
      });
    }
    manifests.push({ platform, manifest });
  }
  if (manifests.length === 1) return manifests[0]!.manifest;
  return imageIndex(manifests.map(({ platform, manifest }) => ({ platform, manifest: manifest.descriptor })));
}

/**
 * Puts tags on images. In the store itself only manifests move; elsewhere what is missing is mounted or streamed.
 * Everything that an image needs is there before any tag of any image is put.
 */
export async function pushImages(
  store: LayerStore,
  images: readonly ImageToPush[],
  options: PushOptions = {},
): Promise<PushedTag[]> {
  const { target = { store, path: '' }, progress = silent, signal } = options;
  const repositoryIn = (image: ImageToPush) =>
    target.path === '' ? image.repository : `${target.path}/${image.repository}`;
  signal?.throwIfAborted();
  // Side by side: a registry is far away, and these are many small questions.
  const ready = await Promise.all(
    images.map(async (image) => {
      const [manifest, ...there] = await Promise.all([
        taggedManifest(store, image),
        ...image.tags.map((tag) => target.store.headManifest(repositoryIn(image), tag)),
      ]);
      return { image, manifest, before: new Map(image.tags.map((tag, index) => [tag, there[index]])) };
    }),
  );
  for (const { image, manifest, before } of ready) {
    signal?.throwIfAborted();
    const allThere = [...before.values()].every((there) => there?.digest === manifest.descriptor.digest);
    if (target.store !== store && !allThere)
      await bring(store, image, manifest, target, repositoryIn(image), progress, signal);
  }
  const pushed: PushedTag[] = [];
  for (const { image, manifest, before } of ready) {
    for (const [tag, there] of before) {
      signal?.throwIfAborted();
      const { digest } = manifest.descriptor;
      const present = there?.digest === digest;
      if (!present) await target.store.putManifest(repositoryIn(image), tag, manifest);
      const outcome = present ? 'present' : there ? 'moved' : 'new';
      pushed.push({
        name: image.name,
        reference: `${target.store.name}/${repositoryIn(image)}:${tag}`,
        digest,
        outcome,
      });
    }
  }
  return pushed;
}

async function bring(
  store: LayerStore,
  image: ImageToPush,
  manifest: StoredManifest,
  target: PushTarget,
  repository: string,
  progress: Progress,
  signal: AbortSignal | undefined,
): Promise<void> {
  const source = repositoryOf(store, image.repository);
  const mountFrom = mountable(store, target, image.repository);
  await copyContent(source, manifest, target.store, repository, {
    progress,
    ...(signal === undefined ? {} : { signal }),
    ...(mountFrom === undefined ? {} : { mountFrom: [mountFrom] }),
  });
}

/** The repository in the target's registry, when the store lies there too: blobs are linked from it. */
function mountable(store: LayerStore, target: PushTarget, repository: string): MountSource | undefined {
  if (!(store instanceof RegistryStore) || !(target.store instanceof RegistryStore)) return undefined;
  return store.registry === target.store.registry ? { inRegistry: store.repositoryPath(repository) } : undefined;
}
