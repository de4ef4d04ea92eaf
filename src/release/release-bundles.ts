import { join } from 'node:path';
import { Failure } from '../failure.ts';
import type { LayerStore } from '../store/layer-store.ts';
import { bundleArtifact, type BundleFacts } from './bundle-artifact.ts';
import type { ChannelDelta } from './channel-json.ts';
import {
  isReferrerStore,
  publishBundle,
  type BundleSubject,
  type PublishedBundle,
  type PublishOptions,
} from './publish-bundle.ts';
import type { Release, ReleasedDelta } from './release-json.ts';

/** What a registry will have of a delta to this release, before anything is sent. Undefined where the store is no registry. */
export async function referrersOf(
  store: LayerStore,
  release: Release,
  delta: ChannelDelta,
): Promise<ReleasedDelta['referrers']> {
  if (!isReferrerStore(store)) return undefined;
  const subjects = await subjectsIn(store, release, delta.platform);
  const facts = bundleFacts(release, delta);
  return subjects.map(({ repository, manifest }) => {
    return { repository, digest: bundleArtifact(facts, manifest).descriptor.digest };
  });
}

/** Publishes a delta to a release of the store, where that is a registry. `directory` holds the file. Throws a Failure. */
export async function publishDelta(
  store: LayerStore,
  release: Release,
  delta: ChannelDelta,
  directory: string,
  options: PublishOptions,
): Promise<PublishedBundle[]> {
  if (!isReferrerStore(store)) return [];
  const subjects = await subjectsIn(store, release, delta.platform);
  return publishBundle(bundleFacts(release, delta), join(directory, delta.file), subjects, options);
}

function bundleFacts({ name }: Release, { from, to, platform, file, size, sha256 }: ChannelDelta): BundleFacts {
  return { name, from, to, platform, file, size, digest: `sha256:${sha256}` };
}

async function subjectsIn(store: LayerStore, release: Release, platform: string): Promise<BundleSubject[]> {
  const subjects = new Map<string, BundleSubject>();
  for (const { repository, digest } of release.images.filter((image) => image.platform === platform)) {
    const manifest = await store.headManifest(repository, digest);
    if (manifest === undefined) {
      throw new Failure({
        doing: `reading ${repository}@${digest} in ${store.name}`,
        because: 'it is not there any more',
        fix: '`imgbuild store verify` tells what else is missing',
      });
    }
    subjects.set(`${repository}@${digest}`, { store, repository, manifest });
  }
  return [...subjects.values()];
}
