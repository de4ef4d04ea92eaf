import type { Digest } from '../oci/digest.ts';
import type { PlatformName } from '../oci/platform.ts';
import type { SavedRecord } from './input-artifact.ts';
import { bytesOf, type Inventory, type ReleaseNeeds, type StoredItem } from './inventory.ts';
import { fingerprintOf, tagKind } from './layer-tags.ts';

/** A saved layer: an image under a `fp-` tag, with what its input manifest tells. */
export interface SavedLayer {
  repository: string;
  fingerprint: string;
  digest: Digest;
  /** Null where there is no input manifest that belongs to the image: it is not reused. */
  layer: string | null;
  platform: PlatformName | null;
  /** In bytes; filesystem layers that it shares with others count in each. */
  size: number;
  savedAt: string | null;
  revision: string | null;
  /** Tags besides those that imgbuild finds layers by. */
  tags: string[];
  /** Versions of the releases that need it. */
  neededBy: string[];
  parents: Record<string, Digest>;
}

/** Every saved layer, by repository, newest first. */
export function savedLayers(inventory: Inventory, releases: readonly ReleaseNeeds[]): SavedLayer[] {
  const records = recordsOf(inventory);
  const layers = inventory.items.flatMap((item) => {
    const fingerprints = item.tags.flatMap((tag) => (tagKind(tag) === 'layer' ? fingerprintOf(tag)! : []));
    return fingerprints.map((fingerprint) =>
      savedLayer(item, fingerprint, records.get(recordKey(item, fingerprint)), releases),
    );
  });
  return layers.toSorted(
    (a, b) =>
      compare(a.repository, b.repository) || compare(b.savedAt ?? '', a.savedAt ?? '') || compare(a.digest, b.digest),
  );
}

function savedLayer(
  item: StoredItem,
  fingerprint: string,
  record: SavedRecord | undefined,
  releases: readonly ReleaseNeeds[],
): SavedLayer {
  return {
    repository: item.repository,
    fingerprint,
    digest: item.digest,
    layer: record?.layer ?? null,
    platform: record?.platform ?? null,
    size: bytesOf([item]),
    savedAt: record?.savedAt?.toISOString() ?? null,
    revision: record?.revision ?? null,
    tags: item.tags.filter((tag) => tagKind(tag) === 'name'),
    neededBy: releases.filter((release) => needs(release, item)).map(({ version }) => version),
    parents: record?.parents ?? {},
  };
}

function needs({ digests }: ReleaseNeeds, { kind, digest, parts }: StoredItem): boolean {
  return digests.has(digest) || (kind === 'other' && parts.some((part) => digests.has(part.digest)));
}

function recordKey(item: Pick<StoredItem, 'repository' | 'digest'>, fingerprint: string): string {
  return `${item.repository} ${item.digest} ${fingerprint}`;
}

/** The records that count: those under the `inputs-` tag of their fingerprint, by the image that they belong to. */
function recordsOf(inventory: Inventory): Map<string, SavedRecord> {
  const records = new Map<string, SavedRecord>();
  for (const { repository, record, tags } of inventory.items) {
    if (record === undefined || !tags.some((tag) => fingerprintOf(tag) === record.fingerprint)) continue;
    records.set(recordKey({ repository, digest: record.image.digest }, record.fingerprint), record);
  }
  return records;
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
