import { BrokenContent } from '../oci/broken-content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { mediaType } from '../oci/media-type.ts';
import { namedBy, parseManifest } from '../oci/parse-manifest.ts';
import { parseInputArtifact, type SavedRecord } from './input-artifact.ts';
import type { LayerStore } from './layer-store.ts';

/** One manifest or index of a store, with all tags that stand on it. */
export interface StoredItem {
  repository: string;
  digest: Digest;
  tags: string[];
  /** The manifest's own size and those of what it names, in bytes. */
  parts: Descriptor[];
  kind: 'image' | 'index' | 'inputs' | 'other';
  /** Of an input manifest. */
  record?: SavedRecord;
}

/** What a store holds under tags, read by manifests alone. */
export interface Inventory {
  store: string;
  repositories: string[];
  items: StoredItem[];
  /** Tags whose manifest cannot be read. */
  broken: { repository: string; tag: string; why: string }[];
}

/** What a release needs, read from its release.json. */
export interface ReleaseNeeds {
  version: string;
  /** Of images and artifacts, or of an artifact's one blob. */
  digests: ReadonlySet<string>;
}

const atOnce = 8;

/**
 * Reads every tag of the store. `repositories` is asked where the store cannot name its own (GHCR has no catalog).
 * Throws a Failure when the store cannot be asked.
 */
export async function readInventory(store: LayerStore, repositories: readonly string[]): Promise<Inventory> {
  const names = [...new Set((await store.listRepositories()) ?? repositories)].toSorted();
  const inventory: Inventory = { store: store.name, repositories: [], items: [], broken: [] };
  for (const repository of names) {
    const tags = await store.listTags(repository);
    if (tags.length > 0) inventory.repositories.push(repository);
    const byDigest = new Map<Digest, StoredItem>();
    const pending = [...tags];
    const work = async () => {
      for (let tag = pending.shift(); tag !== undefined; tag = pending.shift()) {
        const found = await readItem(store, repository, tag).catch((error: unknown) => {
          if (error instanceof BrokenContent || error instanceof RangeError) return error;
          pending.length = 0;
          throw error;
        });
        if (found instanceof Error) {
          const why = found instanceof BrokenContent ? found.because : found.message;
          inventory.broken.push({ repository, tag, why });
          continue;
        }
        const known = byDigest.get(found.digest);
        if (known === undefined) byDigest.set(found.digest, found);
        else known.tags.push(tag);
      }
    };
    // After a failure no further tag is read; those under way end first: nothing goes on behind the caller's back.
    const readers = await Promise.allSettled(Array.from({ length: atOnce }, work));
    for (const reader of readers) if (reader.status === 'rejected') throw reader.reason;
    const items = [...byDigest.values()].map((item) => ({ ...item, tags: item.tags.toSorted() }));
    inventory.items.push(...items.toSorted((a, b) => (a.tags[0]! < b.tags[0]! ? -1 : 1)));
  }
  return inventory;
}

async function readItem(store: LayerStore, repository: string, tag: string): Promise<StoredItem> {
  const stored = await store.getManifest(repository, tag);
  if (stored === undefined) throw new RangeError('the tag is listed, and its manifest is not there');
  const { descriptor, bytes } = stored;
  const parsed = parseManifest(bytes, descriptor.mediaType);
  const parts = [descriptor, ...namedBy(parsed)];
  const item = { repository, digest: descriptor.digest, tags: [tag], parts };
  if (parsed.kind === 'index') return { ...item, kind: 'index' };
  const { artifactType } = parsed.manifest;
  if (artifactType === mediaType.inputsArtifact) return { ...item, kind: 'inputs', record: parseInputArtifact(stored) };
  return { ...item, kind: artifactType === undefined ? 'image' : 'other' };
}

/** Bytes that those items have on disk together: what several name counts once. */
export function bytesOf(items: Iterable<StoredItem>): number {
  const sizes = new Map<Digest, number>();
  for (const item of items) for (const { digest, size } of item.parts) sizes.set(digest, size);
  return sizes.values().reduce((sum, size) => sum + size, 0);
}
