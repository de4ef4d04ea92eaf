import type { Config } from '../config/config.ts';
import { dockerImages } from '../lock/daemon-images.ts';
import type { ImageReader } from '../lock/image-reader.ts';
import type { BaseSources } from '../lock/resolve-base.ts';
import type { ImageReference } from '../oci/reference.ts';

/** An image's config and manifests are small; whatever claims to be larger is none. */
const largest = 8 * 1024 * 1024;

async function registryReader(reference: ImageReference, signal: AbortSignal | undefined): Promise<ImageReader> {
  const { registryClient } = await import('../registry/registries.ts');
  const client = registryClient(signal && { signal }).at(reference.registry);
  return {
    getManifest: (tagOrDigest) => client.getManifest(reference.repository, tagOrDigest),
    async getBlob(blob) {
      if (blob.size > largest) throw new RangeError(`${blob.digest} has ${blob.size} bytes, too many for a config`);
      const parts: Buffer[] = [];
      for await (const part of await client.openBlob(reference.repository, blob)) parts.push(part as Buffer);
      return Buffer.concat(parts);
    },
  };
}

/** Where the bases of this project can be found. Code for registries and daemons is loaded when one is asked. */
export function baseSources(config: Config, signal?: AbortSignal): BaseSources {
  return {
    layouts: config.bases,
    registry: (reference) => registryReader(reference, signal),
    daemon: dockerImages(),
  };
}
