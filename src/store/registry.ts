import type { Readable } from 'node:stream';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { StoredManifest } from '../oci/manifest.ts';
import { RegistryClient, type ClientOptions } from '../registry/client.ts';
import { listReferrers, putReferrer } from '../registry/referrers.ts';
import type { BlobPut, BlobSource, MountSource, ReferrerPut, ReferrerStore } from './layer-store.ts';

/** A store in a registry: its repositories lie below one path, `ghcr.io/acme/ccai` + `service_runtime`. */
export class RegistryStore implements ReferrerStore {
  readonly name: string;
  readonly registry: string;
  readonly path: string;
  readonly client: RegistryClient;

  /** `path` is empty for a registry that is a store as a whole. */
  constructor(registry: string, path: string, options: ClientOptions = {}, client?: RegistryClient) {
    this.registry = registry;
    this.path = path;
    this.name = path === '' ? registry : `${registry}/${path}`;
    this.client = client ?? new RegistryClient(registry, options);
  }

  /** The repository's whole path in the registry. */
  repositoryPath(repository: string): string {
    return this.path === '' ? repository : `${this.path}/${repository}`;
  }

  /** Reading shows by itself whether it is allowed; before a build pushing is asked for. */
  async check(use: 'read' | 'write', repositories: readonly string[] = [], signal?: AbortSignal): Promise<void> {
    if (use === 'read') return;
    const paths = new Set(repositories.map((repository) => this.repositoryPath(repository)));
    await Promise.all([...paths].map((path) => this.client.checkPush(path, signal)));
  }

  getManifest(repository: string, reference: string): Promise<StoredManifest | undefined> {
    return this.client.getManifest(this.repositoryPath(repository), reference);
  }

  headManifest(repository: string, reference: string): Promise<Descriptor | undefined> {
    return this.client.headManifest(this.repositoryPath(repository), reference);
  }

  hasBlob(repository: string, digest: Digest): Promise<boolean> {
    return this.client.hasBlob(this.repositoryPath(repository), digest);
  }

  openBlob(repository: string, blob: Pick<Descriptor, 'digest' | 'size'>, signal?: AbortSignal): Promise<Readable> {
    return this.client.openBlob(this.repositoryPath(repository), blob, signal);
  }

  listTags(repository: string): Promise<string[]> {
    return this.client.listTags(this.repositoryPath(repository));
  }

  async listRepositories(): Promise<string[] | undefined> {
    const all = await this.client.listRepositories();
    if (this.path === '') return all;
    const prefix = `${this.path}/`;
    return all?.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  }

  async putBlob(
    repository: string,
    blob: BlobSource,
    options: { mountFrom?: MountSource[]; signal?: AbortSignal } = {},
  ): Promise<BlobPut> {
    const mountFrom = (options.mountFrom ?? []).map((from) =>
      typeof from === 'string' ? this.repositoryPath(from) : from.inRegistry,
    );
    return this.client.putBlob(this.repositoryPath(repository), blob, { ...options, mountFrom });
  }

  async putManifest(repository: string, reference: string, manifest: StoredManifest): Promise<void> {
    await this.client.putManifest(this.repositoryPath(repository), reference, manifest);
  }

  listReferrers(repository: string, subject: Digest): Promise<Descriptor[]> {
    return listReferrers(this.client, this.repositoryPath(repository), subject);
  }

  putReferrer(repository: string, manifest: StoredManifest): Promise<ReferrerPut> {
    return putReferrer(this.client, this.repositoryPath(repository), manifest);
  }
}
