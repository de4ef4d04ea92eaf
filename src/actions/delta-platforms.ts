import { parseImageName } from '../image-source/image-name.ts';
import { nothing } from '../image-source/nothing.ts';
import type { PlatformName } from '../oci/platform.ts';
import { readRelease } from '../release/release-store.ts';
import type { LayerStore } from '../store/layer-store.ts';

/**
 * For which platforms a release has images; `declared` for other image names, and for a release that the store does not
 * have: opening it says so.
 */
export async function platformsOf(
  store: LayerStore,
  name: string,
  declared: readonly PlatformName[],
): Promise<PlatformName[]> {
  if (name === nothing.name) return [...declared];
  const parsed = parseImageName(name);
  const found = parsed.transport === 'release' ? await readRelease(store, parsed.version) : undefined;
  if (found === undefined) return [...declared];
  return [...new Set(found.release.images.map(({ platform }) => platform))];
}
