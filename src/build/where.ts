import type { ParentImage } from '../engine/engine.ts';
import { Failure } from '../failure.ts';
import type { Digest } from '../oci/digest.ts';
import type { LayerStore } from '../store/layer-store.ts';
import { LayoutStore } from '../store/layout.ts';
import { OverlayStore } from '../store/overlay.ts';
import { RegistryStore } from '../store/registry.ts';

/** How an engine can reach an image of the store by itself. */
export async function whereIs(store: LayerStore, repository: string, digest: Digest): Promise<ParentImage['source']> {
  if (store instanceof OverlayStore) {
    // The folder may hold a manifest whose filesystem layers are below: only a whole image can be built on.
    const whole = await isWhole(store.upper, repository, digest);
    return whereIs(whole ? store.upper : store.lower, repository, digest);
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

async function isWhole(store: LayoutStore, repository: string, digest: Digest): Promise<boolean> {
  const found = await store.getManifest(repository, digest);
  if (found === undefined) return false;
  const { config, layers = [] } = JSON.parse(Buffer.from(found.bytes).toString('utf8')) as {
    config?: { digest: Digest };
    layers?: { digest: Digest }[];
  };
  for (const blob of [...(config ? [config] : []), ...layers]) {
    if (!(await store.hasBlob(repository, blob.digest))) return false;
  }
  return true;
}
