import type { StoreAddress } from '../config/config.ts';
import type { ClientOptions } from '../registry/client.ts';
import type { LayerStore } from './layer-store.ts';
import { LayoutStore } from './layout.ts';

export interface OpenStoreOptions {
  registry?: ClientOptions;
  /** Absolute path of a folder that takes all writes: the store at the address is only read. */
  overlay?: string;
}

/** The store at an address. Nothing is read or written yet. */
export async function openStore(address: StoreAddress, options: OpenStoreOptions = {}): Promise<LayerStore> {
  const store =
    address.kind === 'folder'
      ? new LayoutStore(address.path, `oci:${address.text}`)
      : await openRegistry(address.registry, address.path, options.registry);
  if (options.overlay === undefined) return store;
  const { OverlayStore } = await import('./overlay.ts');
  return new OverlayStore(new LayoutStore(options.overlay), store);
}

/** The client of registries is a third of the code that a plan would load: a folder does without it. */
async function openRegistry(registry: string, path: string, options: ClientOptions | undefined): Promise<LayerStore> {
  const { RegistryStore } = await import('./registry.ts');
  return new RegistryStore(registry, path, options);
}
