import { finished } from 'node:stream/promises';
import { BrokenContent } from '../oci/broken-content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { isIndexType, isManifestType } from '../oci/media-type.ts';
import { namedBy, parseManifest } from '../oci/parse-manifest.ts';
import { silent, type Progress } from '../progress.ts';
import type { Inventory, StoredItem } from './inventory.ts';
import type { LayerStore } from './layer-store.ts';
import { tagKind } from './layer-tags.ts';

export interface VerifyOptions {
  /** Reads every byte; else a registry is only asked whether it has each blob. */
  bytes: boolean;
  progress?: Progress;
  signal?: AbortSignal;
}

/** Each descriptor whose blob is not as it says, and why: one blob may be named rightly and wrongly. */
export type Faults = ReadonlyMap<string, { blob: Descriptor; why: string }>;

const keyOf = ({ digest, size, mediaType }: Descriptor) => `${digest} ${size} ${mediaType}`;

/** Checks each blob that a tag reaches, once for everything that is said of it. Throws a Failure when the store cannot be asked. */
export async function findFaults(store: LayerStore, inventory: Inventory, options: VerifyOptions): Promise<Faults> {
  const faults = new Map<string, { blob: Descriptor; why: string }>();
  const seen = new Set<string>();
  const { progress = silent, signal } = options;
  const pending = inventory.items.flatMap(({ repository, parts }) =>
    parts.slice(1).map((part) => ({ repository, part })),
  );
  const total = pending.reduce((sum, { part }) => sum + part.size, 0);
  const transfer = options.bytes ? progress.transfer(`checking ${store.name}`, total) : undefined;
  try {
    for (let each = pending.pop(); each !== undefined; each = pending.pop()) {
      signal?.throwIfAborted();
      const { repository, part } = each;
      if (seen.has(keyOf(part)) || (part.urls?.length ?? 0) > 0) continue;
      seen.add(keyOf(part));
      try {
        if (isManifestType(part.mediaType) || isIndexType(part.mediaType)) {
          pending.push(...(await namedParts(store, repository, part)).map((named) => ({ repository, part: named })));
        } else {
          await checkBlob(store, repository, part, options, (bytes) => transfer?.add(bytes));
        }
      } catch (error) {
        if (!(error instanceof BrokenContent)) throw error;
        faults.set(keyOf(part), { blob: part, why: error.because });
      }
    }
  } finally {
    transfer?.end();
  }
  return faults;
}

async function namedParts(store: LayerStore, repository: string, part: Descriptor): Promise<Descriptor[]> {
  const manifest = await store.getManifest(repository, part.digest);
  // Platforms that were never copied here are allowed to be missing.
  if (manifest === undefined) return [];
  if (manifest.bytes.length !== part.size) {
    const because = `${part.digest} has ${manifest.bytes.length} bytes, and ${part.size} are named`;
    throw new BrokenContent({ doing: `checking ${store.name}`, because });
  }
  return namedBy(parseManifest(manifest.bytes, part.mediaType));
}

async function checkBlob(
  store: LayerStore,
  repository: string,
  blob: Descriptor,
  options: VerifyOptions,
  moved: (bytes: number) => void,
): Promise<void> {
  if (!options.bytes) {
    if (await store.hasBlob(repository, blob.digest)) return;
    throw new BrokenContent({ doing: `checking ${store.name}`, because: `${blob.digest} is missing` });
  }
  const stream = await store.openBlob(repository, blob, options.signal);
  stream.on('data', (chunk: Uint8Array) => moved(chunk.length));
  await finished(stream);
}

/** A tag whose image or artifact cannot be used, and what to do about it. */
export interface DamagedTag {
  repository: string;
  tag: string;
  digest: Digest | null;
  why: string;
  /** `rebuilt`: a tag that imgbuild saves layers under, which the next build makes anew. `named`: somebody's own. */
  kind: 'rebuilt' | 'named';
}

/** The tags that the faults reach, in the inventory's order. */
export function damagedTags(inventory: Inventory, faults: Faults): DamagedTag[] {
  const kindOf = (tag: string) => (tagKind(tag) === 'name' ? 'named' : 'rebuilt');
  const whole = inventory.broken.map(
    ({ repository, tag, why }) => ({ repository, tag, digest: null, why, kind: kindOf(tag) }) as const,
  );
  const parts = inventory.items.flatMap((item: StoredItem) => {
    const why = item.parts.map((part) => faults.get(keyOf(part))?.why).find((fault) => fault !== undefined);
    if (why === undefined) return [];
    const { repository, digest, tags } = item;
    return tags.map((tag) => ({ repository, tag, digest, why, kind: kindOf(tag) }) as const);
  });
  return [...whole, ...parts];
}
