import type { Readable } from 'node:stream';
import type { Descriptor } from '../oci/descriptor.ts';
import type { StoredManifest } from '../oci/manifest.ts';
import type { ImageReference } from '../oci/reference.ts';
import { RegistryClient, type ClientOptions } from './client.ts';

/** Reads images of any registry, Docker Hub included. */
export interface Registries {
  getManifest(reference: ImageReference, signal?: AbortSignal): Promise<StoredManifest | undefined>;
  headManifest(reference: ImageReference, signal?: AbortSignal): Promise<Descriptor | undefined>;
  openBlob(
    reference: ImageReference,
    blob: Pick<Descriptor, 'digest' | 'size'>,
    signal?: AbortSignal,
  ): Promise<Readable>;
  /** As RegistryClient's. */
  openRest(
    reference: ImageReference,
    blob: Pick<Descriptor, 'digest' | 'size'>,
    start: number,
    signal?: AbortSignal,
  ): Promise<Readable>;
  /** The client of one registry: tokens and connections are shared. */
  at(registry: string): RegistryClient;
}

export function registryClient(options: ClientOptions = {}): Registries {
  const clients = new Map<string, RegistryClient>();
  const at = (registry: string) => {
    let client = clients.get(registry);
    if (client === undefined) {
      client = new RegistryClient(registry, options);
      clients.set(registry, client);
    }
    return client;
  };
  const named = ({ digest, tag }: ImageReference) => digest ?? tag ?? 'latest';
  return {
    at,
    getManifest: (reference, signal) =>
      at(reference.registry).getManifest(reference.repository, named(reference), signal),
    headManifest: (reference, signal) =>
      at(reference.registry).headManifest(reference.repository, named(reference), signal),
    openRest: (reference, blob, start, signal) =>
      at(reference.registry).openRest(reference.repository, blob, start, signal),
    openBlob: (reference, blob, signal) => at(reference.registry).openBlob(reference.repository, blob, signal),
  };
}
