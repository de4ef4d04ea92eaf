import type { Readable } from 'node:stream';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { StoredManifest } from '../oci/manifest.ts';

/** A blob to put. `open` is called again for every retry, from `offset` bytes on. */
export interface BlobSource {
  digest: Digest;
  /** In bytes. */
  size: number;
  open(offset?: number): Readable;
  /** A file that holds exactly these bytes and that the store may link or copy instead of streaming. */
  file?: string;
  /** `file` is the caller's own temporary file: the store may take it over by a hard link. Nobody may write it again. */
  disposable?: true;
}

export type BlobPut =
  /** The repository had it: nothing was sent. */
  | { outcome: 'present' }
  /** Another repository of the same registry had it: it was linked, nothing was sent. */
  | { outcome: 'mounted'; from: string }
  | { outcome: 'uploaded'; bytes: number };

/** A repository of the same store, or by its whole path one of the registry in which the store lies. */
export type MountSource = string | { inRegistry: string };

/**
 * Where saved layers, releases and models lie. Repositories are paths below the store: `service_runtime`,
 * `releases`, `models/ocr`. Missing is `undefined` or `false`; whatever is broken, refused or unreachable throws a
 * Failure. Bytes are checked by size and digest while they stream, on both sides.
 */
export interface LayerStore {
  /** As `plan --json` shows it: `oci:.imgbuild/store`, `ghcr.io/acme/ccai`. */
  readonly name: string;

  /**
   * Throws a Failure where no layer could be read or, with `write`, saved, whatever is asked for: before anything is
   * built. Missing is fine: the first save makes it. `repositories`: those that are to be written.
   */
  check?(use: 'read' | 'write', repositories?: readonly string[], signal?: AbortSignal): Promise<void>;

  /** The manifest or index under a tag or digest, its bytes checked against its digest. */
  getManifest(repository: string, reference: string): Promise<StoredManifest | undefined>;
  /** As getManifest, without the bytes; for digests that are about to be used all the same, call getManifest. */
  headManifest(repository: string, reference: string): Promise<Descriptor | undefined>;
  hasBlob(repository: string, digest: Digest): Promise<boolean>;
  /**
   * Why a blob that a manifest names cannot be right, where that can be told without network and without reading it (a
   * folder: it is missing or has another size). Undefined: nothing is known against it.
   */
  blobFault?(repository: string, blob: Pick<Descriptor, 'digest' | 'size'>): Promise<string | undefined>;
  /**
   * A stream that fails before its end when size or digest is wrong. Throws a Failure when the blob is missing.
   */
  openBlob(repository: string, blob: Pick<Descriptor, 'digest' | 'size'>, signal?: AbortSignal): Promise<Readable>;
  /** Every tag of the repository, sorted; empty when there is no such repository. */
  listTags(repository: string): Promise<string[]>;
  /**
   * Every repository below the store that it can name (a folder: all; a registry: its catalog, where it gives one);
   * undefined when it cannot tell.
   */
  listRepositories(): Promise<string[] | undefined>;

  /** `mountFrom`: where else the blob may lie that a registry can link it from. */
  putBlob(
    repository: string,
    blob: BlobSource,
    options?: { mountFrom?: MountSource[]; signal?: AbortSignal },
  ): Promise<BlobPut>;
  /** Puts the bytes under the tag, or under their own digest alone. All blobs they name must be there. */
  putManifest(repository: string, reference: string, manifest: StoredManifest): Promise<void>;
}

/** What became of a manifest that was to be put beside its subject; `present`: it was there and listed, nothing was sent. */
export type ReferrerPut = 'put' | 'present';

/** A store in which what belongs to an image is found from the image: a registry that may be written. */
export interface ReferrerStore extends LayerStore {
  /** Manifests of the repository that name this one as their subject. */
  listReferrers(repository: string, subject: Digest): Promise<Descriptor[]>;
  /** Puts a manifest under its digest, and among the referrers of its subject. All blobs it names must be there. */
  putReferrer(repository: string, manifest: StoredManifest): Promise<ReferrerPut>;
}

/** A store that can forget. `gc` needs it. */
export interface PruneStore extends LayerStore {
  /** Takes the tag away. The manifest stays until `sweep`. Missing tags are no error. */
  removeTag(repository: string, tag: string): Promise<void>;
  /** Removes what no tag of the store reaches any more and that is older than `olderThan`. Returns the bytes freed. */
  sweep(olderThan: Date): Promise<{ bytes: number; blobs: number }>;
}
