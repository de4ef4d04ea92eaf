import type { StoreAddress } from '../config/config.ts';
import type { ClientOptions } from '../registry/client.ts';
import type { LayerStore } from './layer-store.ts';
import { LayoutStore } from './layout.ts';
import { OverlayStore } from './overlay.ts';
import { RegistryStore } from './registry.ts';

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
      : new RegistryStore(address.registry, address.path, options.registry);
  return options.overlay === undefined ? store : new OverlayStore(new LayoutStore(options.overlay), store);
}
