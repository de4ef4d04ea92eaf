import { Failure } from '../failure.ts';
import type { StoreAddress } from '../config/config.ts';
import type { LayerStore } from './layer-store.ts';
import { LayoutStore } from './layout.ts';

/** The store at an address. Nothing is read or written yet. */
export async function openStore(address: StoreAddress): Promise<LayerStore> {
  if (address.kind === 'folder') return new LayoutStore(address.path, `oci:${address.text}`);
  throw new Failure({
    doing: `opening ${address.registry}/${address.path}`,
    because: 'registries are not built in yet',
  });
}
