import type { Config } from '../config/config.ts';
import type { KnownLayers, ParentImage } from '../engine/engine.ts';
import { parseImageConfig } from '../engine/image-config.ts';
import { Failure } from '../failure.ts';
import type { Lock, LockedBase, LockedPlatform } from '../lock/lock.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { StoredManifest } from '../oci/manifest.ts';
import { mediaType } from '../oci/media-type.ts';
import { parseManifest } from '../oci/parse-manifest.ts';
import { platformName, type Platform } from '../oci/platform.ts';
import { parseReference } from '../oci/reference.ts';
import type { UsedImage } from '../plan/graph.ts';
import { registryClient, type Registries } from '../registry/registries.ts';
import type { ImageSource } from '../store/copy-image.ts';
import { repositoryOf } from '../store/copy-image.ts';
import type { LayerStore, MountSource } from '../store/layer-store.ts';
import { LayoutStore } from '../store/layout.ts';
import { readBlob } from '../store/read-blob.ts';
import { RegistryStore } from '../store/registry.ts';
import { whereIs } from './where.ts';

/** An image that a layer is built on, with a way to its bytes for us; undefined where only a daemon has it. */
export interface ResolvedParent {
  image: ParentImage;
  manifest: StoredManifest | undefined;
  bytes: ImageSource | undefined;
  /** Where the store's own registry may link its blobs from. */
  mountFrom?: MountSource;
}

export interface ParentLookup {
  config: Config;
  lock: Lock;
  store: LayerStore;
  registries?: Registries;
  signal: AbortSignal;
  /** The image that a layer has on this platform: saved before, or built by this run. */
  digestOf(layer: string): Digest;
}

/** Finds the image that a FROM, COPY --from or mount means, pinned by digest. Throws a Failure when it is gone. */
export async function resolveParent(
  used: UsedImage,
  platform: Platform,
  lookup: ParentLookup,
): Promise<ResolvedParent> {
  if (used.kind === 'layer') return resolveLayer(used, lookup);
  const wanted = used.use.platform ?? platform;
  const base = lookup.lock.bases.get(used.reference);
  const locked = base?.platforms.get(platformName(wanted));
  if (!base || !locked) {
    throw new Failure({
      doing: `looking for ${used.use.reference}`,
      because: `imgbuild.lock has no ${platformName(wanted)} image of it`,
      fix: 'run `imgbuild lock`',
      at: used.use.at,
      kind: 'input',
    });
  }
  return resolveBase(used, base, locked, lookup);
}

async function resolveLayer(
  used: UsedImage & { kind: 'layer' },
  { config, store, digestOf }: ParentLookup,
): Promise<ResolvedParent> {
  const repository = config.layers.find(({ name }) => name === used.layer)!.image.path;
  const digest = digestOf(used.layer);
  const manifest = await store.getManifest(repository, digest);
  if (manifest === undefined) throw gone(used, `${repository}@${digest} is no longer in ${store.name}`);
  const image: ParentImage = {
    reference: used.use.reference,
    label: used.layer,
    descriptor: manifest.descriptor,
    source: await whereIs(store, repository, digest),
  };
  return { image, manifest, bytes: repositoryOf(store, repository), mountFrom: repository };
}

async function resolveBase(
  used: UsedImage & { kind: 'base' },
  base: LockedBase,
  { identity }: LockedPlatform,
  lookup: ParentLookup,
): Promise<ResolvedParent> {
  const { reference } = used.use;
  const { digest } = identity;
  if (base.from === 'daemon') {
    const descriptor: Descriptor = { mediaType: mediaType.manifest, digest, size: 0 };
    const image: ParentImage = { reference, label: reference, descriptor, source: { kind: 'daemon', id: digest } };
    return { image, manifest: undefined, bytes: undefined };
  }
  if (base.from === 'registry') {
    const { registry, repository } = parseReference(used.reference);
    const client = (lookup.registries ?? registryClient({ signal: lookup.signal })).at(registry);
    const manifest = await client.getManifest(repository, digest);
    if (manifest === undefined) throw gone(used, `${registry}/${repository} no longer has ${digest}`);
    const bytes: ImageSource = {
      getManifest: (wanted) => client.getManifest(repository, wanted),
      openBlob: (blob, signal) => client.openBlob(repository, blob, signal),
    };
    const source = { kind: 'registry', name: `${registry}/${repository}` } as const;
    const image: ParentImage = { reference, label: reference, descriptor: manifest.descriptor, source };
    const near = lookup.store instanceof RegistryStore && lookup.store.registry === registry;
    return { image, manifest, bytes, ...(near && { mountFrom: { inRegistry: repository } }) };
  }
  const declared = lookup.config.bases.get(used.reference);
  if (!declared) throw gone(used, `imgbuild.lock takes it from ${base.from}, and \`bases:\` no longer names it`);
  const layout = new LayoutStore(declared.path);
  const manifest = await layout.getManifest('', digest);
  if (manifest === undefined) throw gone(used, `the layout ${declared.text} does not hold ${digest}`);
  const bytes: ImageSource = {
    getManifest: (wanted) => layout.getManifest('', wanted),
    openBlob: (blob, signal) => layout.openBlob('', blob, signal),
    blobFile: (blob) => ({ path: layout.blobPath(blob.digest), disposable: false }),
  };
  const source = { kind: 'layout', path: declared.path } as const;
  return { image: { reference, label: reference, descriptor: manifest.descriptor, source }, manifest, bytes };
}

function gone(used: UsedImage, because: string): Failure {
  const fix = used.kind === 'layer' ? 'run it again: the plan then builds that layer too' : 'run `imgbuild lock`';
  return new Failure({ doing: `looking for ${used.use.reference}`, because, fix, at: used.use.at });
}

/** The filesystem layers of an image with their diffIDs: one manifest is known, one config is read. */
export async function knownLayers({ manifest, bytes }: ResolvedParent): Promise<KnownLayers> {
  if (manifest === undefined || bytes === undefined) return { diffIds: [], descriptors: [] };
  const parsed = parseManifest(manifest.bytes, manifest.descriptor.mediaType);
  if (parsed.kind === 'index') return { diffIds: [], descriptors: [] };
  const config = parseImageConfig(await readBlob(parsed.manifest.config, (blob) => bytes.openBlob(blob)));
  const descriptors = parsed.manifest.layers.map((layer) => ({ ...layer, mediaType: ociType(layer.mediaType) }));
  return { diffIds: config.rootfs.diff_ids, descriptors };
}

/** A manifest has OCI's types throughout; Docker's gzip layers are the same bytes. */
function ociType(type: string): string {
  return type === mediaType.dockerLayer ? mediaType.layerGzip : type;
}
