import type { ParentImage } from '../engine/engine.ts';
import { Failure } from '../failure.ts';
import type { Digest } from '../oci/digest.ts';
import type { LayerStore } from '../store/layer-store.ts';
import { LayoutStore } from '../store/layout.ts';
import { OverlayStore } from '../store/overlay.ts';
import { RegistryStore } from '../store/registry.ts';

/** How an engine can reach an image of the store by itself. */
export async function whereIs(
  store: LayerStore,
  repository: string,
  digest: Digest,
  signal?: AbortSignal,
): Promise<ParentImage['source']> {
  if (store instanceof OverlayStore) {
    return whereIs(await store.complete(repository, digest, signal), repository, digest);
  }
  if (store instanceof LayoutStore) return { kind: 'layout', path: store.path };
  if (store instanceof RegistryStore) {
    return { kind: 'registry', name: `${store.registry}/${store.repositoryPath(repository)}` };
  }
  throw new Failure({
    doing: `looking for ${repository} in ${store.name}`,
    because: 'an engine cannot read from this kind of store',
    fix: 'use a folder or a registry as the store',
  });
}
