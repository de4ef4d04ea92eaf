import { resolve } from 'node:path';
import { Failure } from '../failure.ts';
import { parseReference, type ImageReference } from '../oci/reference.ts';
import { mediaType } from '../oci/media-type.ts';
import type { Platform } from '../oci/platform.ts';
import type { LayerStore } from '../store/layer-store.ts';
import { openFromDaemon } from './daemon.ts';
import { openDockerArchive } from './docker-archive.ts';
import { connectEngine } from './docker-engine.ts';
import type { ByteStream, ImageSet, SourceImage } from './image.ts';
import { parseImageName, type ImageName } from './image-name.ts';
import { openFolder, openTarFile } from './member-store.ts';
import { nothing } from './nothing.ts';
import { openFromBlobs, openOciLayout, type BlobReader } from './oci-layout.ts';
import { openRelease } from './release.ts';

export interface OpenOptions {
  /** Relative paths start here. */
  directory: string;
  /** The image to take where there are several. */
  platform: Platform;
  /** Where releases are; asked for only when one is named. */
  store: () => Promise<LayerStore>;
  environment?: NodeJS.ProcessEnv;
  signal?: AbortSignal;
}

/** Opens what a name on the command line stands for: one image, all images of a release, none. Close it in any case. */
export async function openImages(text: string, options: OpenOptions): Promise<ImageSet> {
  if (text === nothing.name) return nothing;
  const name = parseImageName(text);
  if (name.transport === 'release') {
    const folder = resolve(options.directory, '.imgbuild/release', name.version);
    return openRelease(await options.store(), name.version, options.platform, folder);
  }
  const image = await openImage(text, name, options);
  return { name: text, images: [image], close: () => image.close() };
}

async function openImage(
  text: string,
  name: Exclude<ImageName, { transport: 'release' }>,
  options: OpenOptions,
): Promise<SourceImage> {
  const { platform, signal } = options;
  const common = { name: text, platform };
  const reference = 'reference' in name && name.reference !== undefined ? { reference: name.reference } : {};
  switch (name.transport) {
    case 'docker-daemon': {
      const engine = connectEngine(options.environment);
      return openFromDaemon(engine, name.reference, { ...common, ...(signal ? { signal } : {}) });
    }
    case 'docker':
      return openFromRegistry(parseReference(name.reference), { ...common, ...(signal ? { signal } : {}) });
    case 'oci': {
      const place = resolve(options.directory, name.path);
      return { ...(await openOciLayout(await openFolder(place), { ...common, ...reference })), place };
    }
    case 'oci-archive':
    case 'docker-archive': {
      const members = await openTarFile(resolve(options.directory, name.path));
      try {
        const open = name.transport === 'oci-archive' ? openOciLayout : openDockerArchive;
        return await open(members, { ...common, ...reference });
      } catch (error) {
        await members.close();
        throw error;
      }
    }
  }
}

async function openFromRegistry(
  reference: ImageReference,
  options: { name: string; platform: Platform; signal?: AbortSignal },
): Promise<SourceImage> {
  const { registryClient } = await import('../registry/registries.ts');
  const client = registryClient(options.signal && { signal: options.signal }).at(reference.registry);
  const wanted = reference.digest ?? reference.tag!;
  const root = await client.getManifest(reference.repository, wanted);
  if (root === undefined) {
    throw new Failure({
      doing: `opening ${options.name}`,
      because: `${reference.registry} has no ${reference.repository}:${wanted}, or hides it`,
      fix: 'check the name, and log in with `docker login` where the repository is private',
      kind: 'input',
    });
  }
  const blobs: BlobReader = {
    name: options.name,
    async open(descriptor) {
      const manifest =
        descriptor.mediaType.includes('manifest') || descriptor.mediaType === mediaType.index
          ? descriptor.digest === root.descriptor.digest
            ? root
            : await client.getManifest(reference.repository, descriptor.digest)
          : undefined;
      if (manifest !== undefined) return [Buffer.from(manifest.bytes)] as unknown as ByteStream;
      return (await client.openBlob(reference.repository, descriptor)) as unknown as ByteStream;
    },
  };
  const image = await openFromBlobs(blobs, root.descriptor, options);
  const { RegistryStore } = await import('../store/registry.ts');
  const home = { store: new RegistryStore(reference.registry, '', {}, client), repository: reference.repository };
  return { ...image, reference: shortReference(reference), place: reference.registry, home };
}

/** As Docker shows it: without docker.io/library/. */
function shortReference({ registry, repository, tag }: ImageReference): string {
  const path = registry === 'docker.io' ? repository.replace(/^library\//, '') : `${registry}/${repository}`;
  return tag === undefined ? path : `${path}:${tag}`;
}
