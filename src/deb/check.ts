import type { Config } from '../config/config.ts';
import type { Digest } from '../oci/digest.ts';
import type { PlannedDeb, ServiceImage } from './layout.ts';
import { planDebs } from './pack-debs.ts';

/** Stands for an image that is not built yet: no path of a package depends on it. */
const noImage: Digest = `sha256:${'0'.repeat(64)}`;

/**
 * Checks the packages without images, store or writing: every value, every pattern, and that no two packages own one
 * path. Throws a Failure or Failures.
 */
export async function checkDebs(config: Config, only?: readonly string[]): Promise<PlannedDeb[]> {
  const images: ServiceImage[] = config.layers.flatMap(({ name, image, platforms }) =>
    platforms.map((platform) => ({ layer: name, platform, config: noImage, reference: `${image.path}:0.0.0` })),
  );
  return planDebs({ config, version: '0.0.0', images, only });
}
