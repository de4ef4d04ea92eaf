import { readFileSync } from 'node:fs';
import { readFile, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { BrokenContent } from '../oci/broken-content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { digestOf, hexOf, isDigest, type Digest } from '../oci/digest.ts';
import type { ImageIndex, StoredManifest } from '../oci/manifest.ts';
import { isIndexType, isManifestType } from '../oci/media-type.ts';
import { largestManifest, namedBy, parseManifest } from '../oci/parse-manifest.ts';
import { syncFolder, writeDurably } from '../files/durable-write.ts';
import { BlobFolder, sizeOf } from './blob-folder.ts';
import { checkFolder } from './check-folder.ts';
import { fileFailure } from './file-failure.ts';
import { withFolderLock } from './folder-lock.ts';
import type { BlobPut, BlobSource, MountSource, PruneStore } from './layer-store.ts';
import { layoutLock, makeLayout } from './make-layout.ts';
import {
  cachedLayoutIndex,
  emptyIndex,
  findName,
  readLayoutIndex,
  splitName,
  withName,
  withoutName,
} from './layout-index.ts';

/**
 * A store in a folder: an OCI image layout (image-layout.md) that other tools can read at any moment. Blobs are shared
 * by all its repositories; a tag is an entry of index.json named `<image>:<tag>`. Several processes may use it at once:
 * every file comes whole by rename, and index.json changes under a lock. The folder is made by the first write.
 */
export class LayoutStore implements PruneStore {
  readonly name: string;
  /** Absolute path of the folder. */
  readonly path: string;
  readonly #blobs: BlobFolder;
  readonly #index: () => Promise<ImageIndex | undefined>;

  constructor(path: string, name = `oci:${path}`) {
    this.path = path;
    this.name = name;
    this.#blobs = new BlobFolder(path);
    this.#index = cachedLayoutIndex(path);
  }

  async check(use: 'read' | 'write'): Promise<void> {
    if ((await checkFolder(this.path, use)) === 'layout') await this.#guard(`opening ${this.name}`, this.#index);
  }

  blobPath(digest: Digest): string {
    return this.#blobs.file(digest);
  }

  async getManifest(repository: string, reference: string): Promise<StoredManifest | undefined> {
    const entry = await this.#entry(repository, reference);
    if (entry === undefined) return undefined;
    const doing = `reading ${repository}:${reference} in ${this.name}`;
    const path = this.blobPath(entry.digest);
    const size = sizeOf(path);
    if (size === undefined) {
      if (isDigest(reference)) return undefined;
      throw this.#broken(doing, `the tag names ${entry.digest}, and ${path} is missing`);
    }
    if (size > largestManifest && isDigest(reference)) return undefined;
    if (size > largestManifest) throw this.#broken(doing, `${path} has ${size} bytes, too many for a manifest`);
    const bytes = await this.#guard(doing, async () => readFileSync(path));
    const found = digestOf(bytes);
    if (found !== entry.digest) throw this.#broken(doing, `the bytes of ${path} are those of ${found}`);
    try {
      const { mediaType } = parseManifest(bytes, entry.mediaType);
      return { descriptor: { mediaType, digest: entry.digest, size }, bytes };
    } catch (error) {
      // Another blob, such as an image config: there is no manifest of that digest.
      if (isDigest(reference)) return undefined;
      throw this.#broken(doing, `${path} is ${(error as Error).message}`);
    }
  }

  async headManifest(repository: string, reference: string): Promise<Descriptor | undefined> {
    // Without the bytes a digest alone tells no media type, and a manifest is small.
    return (await this.getManifest(repository, reference))?.descriptor;
  }

  async hasBlob(_repository: string, digest: Digest): Promise<boolean> {
    return sizeOf(this.blobPath(digest)) !== undefined;
  }

  async blobFault(_repository: string, blob: Pick<Descriptor, 'digest' | 'size'>): Promise<string | undefined> {
    return this.#blobs.fault(blob);
  }

  async openBlob(
    repository: string,
    blob: Pick<Descriptor, 'digest' | 'size'>,
    signal?: AbortSignal,
  ): Promise<Readable> {
    signal?.throwIfAborted();
    const doing = `reading a blob of ${repository} in ${this.name}`;
    const broken = (because: string) => this.#broken(doing, because);
    const fault = this.#blobs.fault(blob);
    if (fault !== undefined) throw broken(fault);
    return this.#guard(doing, () => this.#blobs.open(blob, broken, signal));
  }

  async listTags(repository: string): Promise<string[]> {
    const names = ((await this.#index())?.manifests ?? []).map(splitName);
    const tags = names.filter((name) => name?.repository === repository).map((name) => name!.tag);
    return [...new Set(tags)].toSorted();
  }

  async listRepositories(): Promise<string[]> {
    const names = ((await this.#index())?.manifests ?? []).map(splitName);
    return [...new Set(names.flatMap((name) => (name ? [name.repository] : [])))].toSorted();
  }

  async putBlob(
    repository: string,
    blob: BlobSource,
    options: { mountFrom?: MountSource[]; signal?: AbortSignal } = {},
  ): Promise<BlobPut> {
    const doing = `saving a blob of ${repository} in ${this.name}`;
    return this.#guard(doing, async () => {
      // A file of another size is a damaged one: it is replaced.
      if (this.#blobs.fault(blob) === undefined) {
        await this.#blobs.renew(blob.digest);
        return { outcome: 'present' };
      }
      await makeLayout(this.path, this.#blobs);
      await this.#blobs.put(blob, unusable(doing), options.signal);
      return { outcome: 'uploaded', bytes: blob.size };
    });
  }

  /** `elsewhere` says whether another store has what is missing here; without it the folder must hold everything. */
  async putManifest(
    repository: string,
    reference: string,
    manifest: StoredManifest,
    elsewhere?: (named: Descriptor) => Promise<boolean>,
  ): Promise<void> {
    const doing = `saving ${repository}:${reference} in ${this.name}`;
    const { bytes, descriptor } = manifest;
    const wrong = unusable(doing);
    const digest = digestOf(bytes);
    if (digest !== descriptor.digest)
      throw wrong(`the manifest's bytes are those of ${digest}, not ${descriptor.digest}`);
    if (isDigest(reference) && reference !== digest) throw wrong(`the manifest's digest is ${digest}`);
    const parsed = parseManifest(bytes, descriptor.mediaType);
    const local = namedBy(parsed).filter(({ urls }) => urls === undefined || urls.length === 0);
    await this.#guard(doing, async () => {
      await makeLayout(this.path, this.#blobs);
      // Asked before the lock is taken: another store may take its time.
      const lent = new Set<Descriptor>();
      for (const named of elsewhere === undefined ? [] : local) {
        if (this.#blobs.fault(named) !== undefined && (await elsewhere!(named))) lent.add(named);
      }
      await withFolderLock(layoutLock(this.path), async () => {
        for (const named of local) {
          const fault = this.#blobs.fault(named);
          if (fault !== undefined && !lent.has(named)) throw wrong(`it names ${named.digest}, and ${fault}`);
        }
        const path = this.blobPath(digest);
        const before = await readFile(path).catch(() => undefined);
        if (before === undefined || digestOf(before) !== digest) {
          await writeDurably(this.#blobs.ingest, path, (handle) => handle.writeFile(bytes));
        } else {
          await this.#blobs.renew(digest);
        }
        if (isDigest(reference)) return;
        const entry: Descriptor = { mediaType: parsed.mediaType, digest, size: bytes.length };
        if (parsed.manifest.artifactType !== undefined) entry.artifactType = parsed.manifest.artifactType;
        if (descriptor.platform !== undefined) entry.platform = descriptor.platform;
        await this.#writeIndex((index) => withName(index, `${repository}:${reference}`, entry));
      });
    });
  }

  async removeTag(repository: string, tag: string): Promise<void> {
    if ((await this.#index()) === undefined) return;
    await this.#guard(`removing ${repository}:${tag} from ${this.name}`, () =>
      withFolderLock(layoutLock(this.path), () =>
        this.#writeIndex((index) => withoutName(index, `${repository}:${tag}`)),
      ),
    );
  }

  async sweep(olderThan: Date): Promise<{ bytes: number; blobs: number }> {
    if ((await this.#index()) === undefined) return { bytes: 0, blobs: 0 };
    return this.#guard(`removing what no tag reaches from ${this.name}`, () =>
      withFolderLock(layoutLock(this.path), async () => {
        const reached = await this.#reached();
        const freed = { bytes: 0, blobs: 0 };
        const blobs = this.#blobs.path;
        for (const [folder, kept] of [
          [blobs, reached],
          [this.#blobs.ingest, new Set<string>()],
        ] as const) {
          for (const name of await readdir(folder)) {
            if (kept.has(name)) continue;
            const found = await stat(join(folder, name)).catch(() => undefined);
            if (!found?.isFile() || found.mtime >= olderThan) continue;
            await rm(join(folder, name), { force: true });
            freed.bytes += found.size;
            if (folder === blobs) freed.blobs += 1;
          }
        }
        await syncFolder(blobs);
        return freed;
      }),
    );
  }

  /** See BlobFolder.remove: the next save writes it anew. */
  async removeBlob({ digest }: Pick<Descriptor, 'digest'>): Promise<void> {
    await this.#guard(`removing ${this.blobPath(digest)}`, () => this.#blobs.remove(digest));
  }

  /** Hex digests of everything that an entry of index.json reaches. What cannot be read might reach more: it throws. */
  async #reached(): Promise<Set<string>> {
    const reached = new Set<string>();
    const pending: Descriptor[] = [...((await readLayoutIndex(this.path))?.manifests ?? [])];
    for (let each = pending.pop(); each !== undefined; each = pending.pop()) {
      if (reached.has(hexOf(each.digest))) continue;
      reached.add(hexOf(each.digest));
      if (!isIndexType(each.mediaType) && !isManifestType(each.mediaType)) continue;
      const manifest = await this.getManifest('', each.digest);
      // A platform that was never copied here; but a tag on nothing may be the trace of a damaged disk.
      if (manifest === undefined && each.annotations === undefined) continue;
      if (manifest === undefined) {
        const because = `index.json names ${each.digest}, and ${this.blobPath(each.digest)} is missing`;
        throw this.#broken(`looking for what is in use in ${this.name}`, because);
      }
      pending.push(...namedBy(parseManifest(manifest.bytes, each.mediaType)));
    }
    return reached;
  }

  async #entry(
    repository: string,
    reference: string,
  ): Promise<(Pick<Descriptor, 'digest'> & { mediaType?: string }) | undefined> {
    if (isDigest(reference)) return { digest: reference };
    const index = await this.#guard(`reading ${this.name}`, this.#index);
    return index && findName(index, `${repository}:${reference}`);
  }

  async #writeIndex(change: (index: ImageIndex) => ImageIndex | undefined): Promise<void> {
    const changed = change((await readLayoutIndex(this.path)) ?? emptyIndex);
    if (changed === undefined) return;
    await writeDurably(this.#blobs.ingest, join(this.path, 'index.json'), (handle) =>
      handle.writeFile(JSON.stringify(changed)),
    );
  }

  #broken(doing: string, because: string): BrokenContent {
    return new BrokenContent({
      doing,
      because,
      fix: '`imgbuild store verify --repair` takes damaged layers out of the store; the next build makes them anew',
    });
  }

  async #guard<T>(doing: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw fileFailure(doing, error);
    }
  }
}

/** What was handed over for saving is not what it was said to be. */
function unusable(doing: string): (because: string) => BrokenContent {
  return (because) => new BrokenContent({ doing, because, fix: 'build the layer again' });
}
