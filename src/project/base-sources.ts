import type { Config } from '../config/config.ts';
import { dockerImages } from '../lock/daemon-images.ts';
import type { ImageReader } from '../lock/image-reader.ts';
import type { OwnImage } from '../lock/nearest-image.ts';
import type { BaseSources } from '../lock/resolve-base.ts';
import type { ImageReference } from '../oci/reference.ts';
import { readBlob } from '../store/read-blob.ts';

async function registryReader(reference: ImageReference, signal: AbortSignal | undefined): Promise<ImageReader> {
  const { registryClient } = await import('../registry/registries.ts');
  const client = registryClient(signal && { signal }).at(reference.registry);
  return {
    getManifest: (tagOrDigest) => client.getManifest(reference.repository, tagOrDigest),
    getBlob: (blob) => readBlob(blob, (wanted) => client.openBlob(reference.repository, wanted)),
  };
}

function ownImages({ layers, store }: Config): OwnImage[] {
  const prefixes =
    store.kind === 'registry' ? ['', `${[store.registry, store.path].filter(Boolean).join('/')}/`] : [''];
  return layers.flatMap(({ name, image }) =>
    prefixes.map((prefix) => ({ layer: name, reference: `${prefix}${image.text}` })),
  );
}

/** Where the bases of this project can be found. Code for registries and daemons is loaded when one is asked. */
export function baseSources(config: Config, signal?: AbortSignal): BaseSources {
  return {
    layouts: config.bases,
    registry: (reference) => registryReader(reference, signal),
    daemon: dockerImages(),
    ownImages: ownImages(config),
  };
}
