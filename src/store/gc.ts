import type { Digest } from '../oci/digest.ts';
import { bytesOf, type Inventory, type ReleaseNeeds, type StoredItem } from './inventory.ts';
import { tagKind } from './layer-tags.ts';
import { savedLayers, type SavedLayer } from './list.ts';

export interface GcPolicy {
  /** The newest saved layers of each layer on each platform that stay. */
  keep: number;
  now: Date;
  /** Milliseconds: what is younger may belong to a build that runs. */
  grace: number;
}

export const grace = 24 * 60 * 60 * 1000;

/** A manifest to remove with all its tags. */
export interface Removal {
  repository: string;
  digest: Digest;
  tags: string[];
  kind: 'layer' | 'inputs';
}

export interface GcDecision {
  keep: (SavedLayer & { because: 'named' | 'release' | 'newest' | 'young' | 'unknown-age' | 'parent' })[];
  remove: SavedLayer[];
  /** Images first: an input manifest without its image is harmless, the other way round is a broken layer. */
  removals: Removal[];
  /** What only the removed items need, in bytes. */
  bytes: number;
}

/**
 * What no release, no tag of somebody's own and none of the newest layers needs, and that is old enough. A layer that
 * stays keeps the parents that it was built on. Whatever is not a saved layer stays.
 */
export function decideGc(inventory: Inventory, releases: readonly ReleaseNeeds[], policy: GcPolicy): GcDecision {
  const layers = savedLayers(inventory, releases);
  const because = new Map<SavedLayer, GcDecision['keep'][number]['because']>();
  const counts = new Map<string, number>();
  const named = namedDigests(inventory);
  for (const layer of layers) {
    const line = `${layer.repository} ${layer.layer} ${layer.platform}`;
    const rank = counts.get(line) ?? 0;
    counts.set(line, rank + 1);
    const reason = reasonToKeep(layer, rank, named, policy);
    if (reason !== undefined) because.set(layer, reason);
  }
  keepParents(layers, because);

  const kept = new Set([...because.keys()].map((layer) => layer.digest));
  const garbage = layers.filter((layer) => !kept.has(layer.digest));
  const removals = removalsOf(inventory, garbage, kept, policy);
  const gone = new Set(removals.map(({ repository, digest }) => `${repository} ${digest}`));
  const [out, stay] = [true, false].map((wanted) =>
    inventory.items.filter((item) => gone.has(`${item.repository} ${item.digest}`) === wanted),
  ) as [StoredItem[], StoredItem[]];
  const remain = new Set(stay.flatMap((item) => item.parts.map(({ digest }) => digest)));
  const freed = out.map((item) => ({ ...item, parts: item.parts.filter(({ digest }) => !remain.has(digest)) }));
  return {
    keep: [...because].map(([layer, reason]) => ({ ...layer, because: reason })),
    remove: garbage,
    removals,
    bytes: bytesOf(freed),
  };
}

function reasonToKeep(
  layer: SavedLayer,
  rank: number,
  named: ReadonlySet<string>,
  policy: GcPolicy,
): GcDecision['keep'][number]['because'] | undefined {
  if (layer.neededBy.length > 0) return 'release';
  if (named.has(layer.digest)) return 'named';
  if (layer.savedAt === null) return 'unknown-age';
  if (isYoung(layer.savedAt, policy)) return 'young';
  return rank < policy.keep ? 'newest' : undefined;
}

function isYoung(savedAt: string, { now, grace: pause }: GcPolicy): boolean {
  return now.getTime() - Date.parse(savedAt) < pause;
}

/** Digests that somebody's own tag stands on, and those of the platforms of an index. */
function namedDigests(inventory: Inventory): Set<string> {
  const named = new Set<string>();
  for (const item of inventory.items) {
    if (!item.tags.some((tag) => tagKind(tag) === 'name')) continue;
    named.add(item.digest);
    if (item.kind === 'index') for (const { digest } of item.parts) named.add(digest);
  }
  return named;
}

function keepParents(
  layers: readonly SavedLayer[],
  because: Map<SavedLayer, GcDecision['keep'][number]['because']>,
): void {
  const byDigest = Map.groupBy(layers, (layer) => layer.digest);
  const pending = [...because.keys()];
  for (let layer = pending.pop(); layer !== undefined; layer = pending.pop()) {
    for (const digest of Object.values(layer.parents)) {
      for (const parent of byDigest.get(digest) ?? []) {
        if (because.has(parent)) continue;
        because.set(parent, 'parent');
        pending.push(parent);
      }
    }
  }
}

function removalsOf(
  inventory: Inventory,
  garbage: readonly SavedLayer[],
  kept: ReadonlySet<Digest>,
  policy: GcPolicy,
): Removal[] {
  const doomed = new Set(garbage.map(({ repository, digest }) => `${repository} ${digest}`));
  const images: Removal[] = [];
  const inputs: Removal[] = [];
  for (const { repository, digest, tags, record } of inventory.items) {
    // A tag of somebody's own keeps whatever it stands on.
    if (tags.some((tag) => tagKind(tag) === 'name')) continue;
    if (doomed.has(`${repository} ${digest}`)) images.push({ repository, digest, tags, kind: 'layer' });
    if (record === undefined || kept.has(record.image.digest)) continue;
    if (record.savedAt === undefined || isYoung(record.savedAt.toISOString(), policy)) continue;
    inputs.push({ repository, digest, tags, kind: 'inputs' });
  }
  return [...images, ...inputs];
}
