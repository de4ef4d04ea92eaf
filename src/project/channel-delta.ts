import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { basename, dirname } from 'node:path';
import { madeFrom } from '../delta/bundle/packages.ts';
import { openBundle } from '../delta/bundle/read.ts';
import { Failure } from '../failure.ts';
import { nothing } from '../image-source/nothing.ts';
import { platformName } from '../oci/platform.ts';
import type { ChannelDelta } from '../release/channel-json.ts';
import type { PublishedBundle, PublishOptions } from '../release/publish-bundle.ts';
import { publishDelta } from '../release/release-bundles.ts';
import { readRelease } from '../release/release-store.ts';
import { parseVersion } from '../release/version.ts';
import type { LayerStore } from '../store/layer-store.ts';

/** What a channel says of a bundle that was made by hand. Throws a Failure for one that is not between releases. */
export async function channelDeltaOf(path: string, signal: AbortSignal): Promise<ChannelDelta> {
  const bundle = await openBundle(path, signal);
  try {
    const images = await bundle.images();
    const [image] = images;
    const needs = Math.max(...images.map((each) => each.needs));
    const { from = nothing.name, to, platform } = image!;
    if (to === undefined || (image!.source !== undefined && from === nothing.name)) {
      throw new Failure({
        doing: `reading the bundle ${path}`,
        because: 'it does not say between which releases it is',
        fix: 'make it from versions: imgbuild ota diff 1.0.0 1.1.0 -o FILE',
        kind: 'input',
      });
    }
    const hash = createHash('sha256');
    let size = 0;
    for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20, signal })) {
      hash.update(chunk as Buffer);
      size += (chunk as Buffer).length;
    }
    const file = { file: basename(path), size, sha256: hash.digest('hex') };
    const packages = (await bundle.packages()).map(({ name, architecture, carried }) => {
      return { name, architecture, from: carried.kind === 'delta' ? carried.from : undefined };
    });
    const reads = madeFrom(packages);
    const more = { ...(needs > 1 ? { needs } : {}), ...(reads === undefined ? {} : { packages: reads }) };
    return { from, to, platform: platformName(platform), ...file, ...more };
  } finally {
    await bundle.close();
  }
}

/** Puts such a bundle into the registry, beside the images of the release that it leads to; nowhere where the store is a folder. */
export async function publishChannelDelta(
  store: LayerStore,
  path: string,
  delta: ChannelDelta,
  options: PublishOptions,
): Promise<PublishedBundle[]> {
  const stored = await readRelease(store, parseVersion(delta.to));
  // A channel leads through releases of its store alone: it leaves this one out.
  if (stored === undefined) return [];
  return publishDelta(store, stored.release, delta, dirname(path), options);
}
