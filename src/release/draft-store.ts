import { Readable } from 'node:stream';
import type { LayerStore } from '../store/layer-store.ts';
import type { Release } from './release-json.ts';
import { releaseArtifact, releasesRepository } from './release-store.ts';
import { versionTag } from './version.ts';

/** The store as it would be with this release in it: deltas to a release are made before it is committed. Only read. */
export function withDraft(
  store: LayerStore,
  release: Release,
): Pick<
  LayerStore,
  'name' | 'getManifest' | 'headManifest' | 'hasBlob' | 'openBlob' | 'listTags' | 'listRepositories'
> {
  const { manifest, blobs } = releaseArtifact(release);
  const tag = versionTag(release.version);
  const isDraft = (repository: string, reference: string) =>
    repository === releasesRepository && (reference === tag || reference === manifest.descriptor.digest);
  return {
    name: store.name,
    getManifest: async (repository, reference) =>
      isDraft(repository, reference) ? manifest : store.getManifest(repository, reference),
    headManifest: async (repository, reference) =>
      isDraft(repository, reference) ? manifest.descriptor : store.headManifest(repository, reference),
    async openBlob(repository, blob, signal) {
      const own = repository === releasesRepository ? blobs.find(({ digest }) => digest === blob.digest) : undefined;
      return own ? Readable.from(own.open()) : store.openBlob(repository, blob, signal);
    },
    hasBlob: (repository, digest) => store.hasBlob(repository, digest),
    listTags: (repository) => store.listTags(repository),
    listRepositories: () => store.listRepositories(),
  };
}
