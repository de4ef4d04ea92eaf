import type { Config } from '../config/config.ts';
import { defaultSourceDate, noRelease } from './source-date.ts';
import type { Collected } from './contents.ts';
import type { Draft } from './draft.ts';
import { layOut, type LayoutOptions } from './layout.ts';
import type { PlannedDeb } from './planned-deb.ts';

/**
 * Adds to each package how it would be laid out whatever the release, its time and its images are: what is left tells
 * whether it is another package. What the declaration itself takes from the release, as a dependency on `${version}`, stays.
 */
export function withUnversioned(
  config: Config,
  draft: Draft,
  collected: Collected,
  options: LayoutOptions,
  planned: readonly PlannedDeb[],
): PlannedDeb[] {
  const images = options.images.map((image) => ({
    ...image,
    config: `sha256:${'0'.repeat(64)}` as const,
    reference: `${image.reference.replace(/:[^:/]*$/, '')}:${noRelease}`,
  }));
  let laidOut: Promise<PlannedDeb[]> | undefined;
  const layOutOnce = () =>
    (laidOut ??= layOut(config, { ...draft, version: draft.versionOfNoRelease }, collected, {
      version: noRelease,
      images,
      mtime: defaultSourceDate,
      chooseCompression: false,
    }));
  return planned.map((deb, index) => ({ ...deb, unversioned: async () => (await layOutOnce())[index]! }));
}
