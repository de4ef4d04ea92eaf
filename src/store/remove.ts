import type { Digest } from '../oci/digest.ts';
import type { Removal } from './gc.ts';
import type { LayerStore, PruneStore } from './layer-store.ts';
import type { RegistryStore } from './registry.ts';
import type { GhcrPackages } from './ghcr-packages.ts';

/** What became of the manifests that were to go. */
export interface Removed {
  removed: Removal[];
  /** Those that had to stay after all, with the reason: a tag was put meanwhile, or the registry refuses. */
  kept: { removal: Removal; why: string }[];
  /** Bytes that are free now; null where the registry frees them by itself later. */
  bytes: number | null;
}

export function isPruneStore(store: LayerStore): store is PruneStore {
  return 'sweep' in store && 'removeTag' in store;
}

/** From a folder: the tags, then what nothing reaches any more and is older than `before`. */
export async function removeFromFolder(
  store: PruneStore,
  removals: readonly Removal[],
  before: Date,
): Promise<Removed> {
  const result: Removed = { removed: [], kept: [], bytes: 0 };
  for (const removal of removals) {
    let gone = 0;
    for (const tag of removal.tags) {
      // Somebody may have saved the same layer again meanwhile: that one stays.
      if ((await store.headManifest(removal.repository, tag))?.digest !== removal.digest) continue;
      await store.removeTag(removal.repository, tag);
      gone += 1;
    }
    if (gone > 0) result.removed.push(removal);
    else result.kept.push({ removal, why: 'its tags moved meanwhile' });
  }
  result.bytes = (await store.sweep(before)).bytes;
  return result;
}

/** From a registry that lets manifests be deleted. It frees the blobs by its own garbage collection. */
export async function removeFromRegistry(store: RegistryStore, removals: readonly Removal[]): Promise<Removed> {
  const result: Removed = { removed: [], kept: [], bytes: null };
  for (const [repository, some] of Map.groupBy(removals, (removal) => removal.repository)) {
    const doomed = new Set(some.flatMap(({ tags }) => tags));
    // A digest is deleted with every tag on it: tags that were put meanwhile keep theirs.
    const others = new Map<Digest, string>();
    for (const tag of await store.listTags(repository)) {
      const digest = doomed.has(tag) ? undefined : (await store.headManifest(repository, tag))?.digest;
      if (digest !== undefined) others.set(digest, tag);
    }
    for (const removal of some) {
      const other = others.get(removal.digest);
      if (other !== undefined) {
        result.kept.push({ removal, why: `the tag ${other} stands on it too` });
        continue;
      }
      await store.client.deleteManifest(store.repositoryPath(repository), removal.digest);
      result.removed.push(removal);
    }
  }
  return result;
}

/** From GitHub's registry, whose API deletes versions of packages. */
export async function removeFromGhcr(
  packages: GhcrPackages,
  store: RegistryStore,
  removals: readonly Removal[],
): Promise<Removed> {
  const result: Removed = { removed: [], kept: [], bytes: null };
  for (const [repository, some] of Map.groupBy(removals, (removal) => removal.repository)) {
    const versions = await packages.versions(store.repositoryPath(repository));
    for (const removal of some) {
      const version = versions.find(({ digest }) => digest === removal.digest);
      const garbage = new Set(removal.tags);
      const other = version?.tags.find((tag) => !garbage.has(tag));
      if (version === undefined) result.kept.push({ removal, why: 'the package has no such version' });
      else if (other !== undefined) result.kept.push({ removal, why: `the tag ${other} was put on it meanwhile` });
      else {
        const refused = await packages.remove(store.repositoryPath(repository), version.id);
        if (refused === undefined) result.removed.push(removal);
        else result.kept.push({ removal, why: refused });
      }
    }
  }
  return result;
}
