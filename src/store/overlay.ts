import type { Readable } from 'node:stream';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { StoredManifest } from '../oci/manifest.ts';
import { isIndexType, isManifestType } from '../oci/media-type.ts';
import { namedBy, parseManifest } from '../oci/parse-manifest.ts';
import { copyContent, repositoryOf } from './copy-image.ts';
import type { BlobPut, BlobSource, LayerStore, MountSource } from './layer-store.ts';
import type { LayoutStore } from './layout.ts';

/**
 * A store that may only be read, and a folder over it that takes all writes: for pull requests from forks, whose tokens
 * cannot push. Reads ask the folder first. What the same repository below has is not fetched: the folder is an OCI layout
 * with gaps, as image-layout.md allows. `complete` fills those of one image.
 */
export class OverlayStore implements LayerStore {
  readonly name: string;
  readonly upper: LayoutStore;
  readonly lower: LayerStore;

  constructor(upper: LayoutStore, lower: LayerStore) {
    this.upper = upper;
    this.lower = lower;
    this.name = `${upper.name} over ${lower.name}`;
  }

  async check(use: 'read' | 'write'): Promise<void> {
    await this.upper.check(use);
    await this.lower.check?.('read');
  }

  async getManifest(repository: string, reference: string): Promise<StoredManifest | undefined> {
    return (
      (await this.upper.getManifest(repository, reference)) ?? (await this.lower.getManifest(repository, reference))
    );
  }

  async headManifest(repository: string, reference: string): Promise<Descriptor | undefined> {
    return (
      (await this.upper.headManifest(repository, reference)) ?? (await this.lower.headManifest(repository, reference))
    );
  }

  async hasBlob(repository: string, digest: Digest): Promise<boolean> {
    return (await this.upper.hasBlob(repository, digest)) || (await this.lower.hasBlob(repository, digest));
  }

  async blobFault(repository: string, blob: Pick<Descriptor, 'digest' | 'size'>): Promise<string | undefined> {
    if (await this.upper.hasBlob(repository, blob.digest)) return this.upper.blobFault(repository, blob);
    return this.lower.blobFault?.(repository, blob);
  }

  async openBlob(
    repository: string,
    blob: Pick<Descriptor, 'digest' | 'size'>,
    signal?: AbortSignal,
  ): Promise<Readable> {
    const store = (await this.upper.hasBlob(repository, blob.digest)) ? this.upper : this.lower;
    return store.openBlob(repository, blob, signal);
  }

  async listTags(repository: string): Promise<string[]> {
    const both = await Promise.all([this.upper.listTags(repository), this.lower.listTags(repository)]);
    return [...new Set(both.flat())].toSorted();
  }

  async listRepositories(): Promise<string[] | undefined> {
    const [upper, lower] = await Promise.all([this.upper.listRepositories(), this.lower.listRepositories()]);
    return upper && lower && [...new Set([...upper, ...lower])].toSorted();
  }

  async putBlob(
    repository: string,
    blob: BlobSource,
    options: { mountFrom?: MountSource[]; signal?: AbortSignal } = {},
  ): Promise<BlobPut> {
    // A file that is given away costs no more than a link. What only another repository below has is put here too: nothing
    // below can be asked to mount it, and nobody would find it there.
    const free = blob.file !== undefined && blob.disposable === true;
    if (!free && !(await this.upper.hasBlob(repository, blob.digest))) {
      if (await this.lower.hasBlob(repository, blob.digest)) return { outcome: 'present' };
    }
    return this.upper.putBlob(repository, blob, options);
  }

  async putManifest(repository: string, reference: string, manifest: StoredManifest): Promise<void> {
    await this.upper.putManifest(repository, reference, manifest, async (named) => {
      if (isManifestType(named.mediaType) || isIndexType(named.mediaType)) {
        return (await this.lower.headManifest(repository, named.digest)) !== undefined;
      }
      return this.lower.hasBlob(repository, named.digest);
    });
  }

  /**
   * The store that holds an image whole, for an engine that reads there by itself: its gaps are filled from below where
   * only the folder has its manifest.
   */
  async complete(repository: string, digest: Digest, signal?: AbortSignal): Promise<LayerStore> {
    const image = await this.upper.getManifest(repository, digest);
    if (image === undefined) return this.lower;
    const named = namedBy(parseManifest(image.bytes, image.descriptor.mediaType));
    const held = await Promise.all(named.map((blob) => this.upper.hasBlob(repository, blob.digest)));
    if (held.every(Boolean)) return this.upper;
    if ((await this.lower.headManifest(repository, digest)) !== undefined) return this.lower;
    await copyContent(repositoryOf(this, repository), image, this.upper, repository, signal && { signal });
    return this.upper;
  }
}
