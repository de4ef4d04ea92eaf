import { PassThrough, type Duplex, type Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../failure.ts';
import { BrokenContent } from '../oci/broken-content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { digestOf, isDigest, type Digest } from '../oci/digest.ts';
import type { StoredManifest } from '../oci/manifest.ts';
import { mediaType } from '../oci/media-type.ts';
import { largestManifest, parseManifest } from '../oci/parse-manifest.ts';
import { verifying } from '../oci/verify.ts';
import type { BlobPut, BlobSource } from '../store/layer-store.ts';
import { pullScope, pushScope } from './authorization.ts';
import { downloadBlob } from './download.ts';
import { RegistryError } from './error.ts';
import { Fetcher } from './fetcher.ts';
import { catalogOf, referrersOf, tagsOf } from './list.ts';
import { mountBlob } from './mount.ts';
import { contentType, Transport, type Answer, type Call, type TransportOptions } from './transport.ts';
import { cancelUpload, openSession, uploadBlob } from './upload.ts';

export type ClientOptions = TransportOptions;

const manifestTypes = [mediaType.manifest, mediaType.index, mediaType.dockerManifest, mediaType.dockerIndex].join(', ');

/** Milliseconds. */
const blobPauses = [100, 400, 1000];

/**
 * While another writer puts the same blob, distribution's registry may not know it for a moment, although it has
 * confirmed it to us: the link is written anew. Asked again, it does.
 */
async function onceBlobsAreKnown<T>(signal: AbortSignal | undefined, put: () => Promise<T>): Promise<T> {
  for (const pause of blobPauses) {
    try {
      return await put();
    } catch (error) {
      if (!(error instanceof RegistryError) || !error.has('MANIFEST_BLOB_UNKNOWN')) throw error;
      await sleep(pause, undefined, { signal });
    }
  }
  return put();
}

/**
 * The distribution API of one registry. OCI distribution spec 1.1; repositories are whole paths (`acme/ccai/service`).
 * Missing is undefined or false. Refusals and troubles throw a Failure, wrong bytes BrokenContent.
 */
export class RegistryClient {
  readonly registry: string;
  readonly #transport: Transport;
  readonly #fetcher: Fetcher;

  constructor(registry: string, options: ClientOptions = {}) {
    this.registry = registry;
    this.#transport = new Transport(registry, options);
    this.#fetcher = new Fetcher(registry, this.#transport);
  }

  async getManifest(repository: string, reference: string, signal?: AbortSignal): Promise<StoredManifest | undefined> {
    const doing = `reading ${this.#fetcher.named(repository, reference)}`;
    const answer = await this.#fetcher.read(
      doing,
      this.#manifestCall('GET', repository, reference, signal),
      repository,
    );
    if (answer === undefined) return undefined;
    const { bytes } = answer;
    const broken = (because: string) => this.#fetcher.broken(doing, because);
    if (bytes.length > largestManifest) throw broken(`it has more than the ${largestManifest} bytes of a manifest`);
    const digest = digestOf(bytes);
    if (isDigest(reference) && digest !== reference) throw broken(`its bytes are those of ${digest}`);
    const told = answer.headers['docker-content-digest'];
    if (typeof told === 'string' && isDigest(told) && told !== digest) {
      throw broken(`the registry calls it ${told}, and its bytes are those of ${digest}`);
    }
    try {
      const { mediaType: type } = parseManifest(bytes, contentType(answer));
      return { descriptor: { mediaType: type, digest, size: bytes.length }, bytes };
    } catch (error) {
      throw broken((error as Error).message);
    }
  }

  async headManifest(repository: string, reference: string, signal?: AbortSignal): Promise<Descriptor | undefined> {
    const doing = `looking for ${this.#fetcher.named(repository, reference)}`;
    const answer = await this.#fetcher.read(
      doing,
      this.#manifestCall('HEAD', repository, reference, signal),
      repository,
    );
    if (answer === undefined) return undefined;
    await answer.body.dump().catch(() => {});
    const digest = isDigest(reference) ? reference : answer.headers['docker-content-digest'];
    const size = Number(answer.headers['content-length'] ?? 'none');
    const type = contentType(answer);
    if (typeof digest === 'string' && isDigest(digest) && Number.isSafeInteger(size) && type !== undefined) {
      return { mediaType: type, digest, size };
    }
    // The digest header is optional in the spec: the bytes tell.
    return (await this.getManifest(repository, reference, signal))?.descriptor;
  }

  async hasBlob(repository: string, digest: Digest, signal?: AbortSignal): Promise<boolean> {
    return (await this.#headBlob(repository, digest, signal)) !== undefined;
  }

  async openBlob(
    repository: string,
    blob: Pick<Descriptor, 'digest' | 'size'>,
    given?: AbortSignal,
  ): Promise<Readable> {
    const checked = verifying(blob, (because) => this.#fetcher.broken(this.#readingBlob(repository, blob), because));
    return this.#download(repository, blob, 0, checked, given);
  }

  /** A blob from byte `start` on; whether it is the right one can only be told by who has the beginning. */
  async openRest(
    repository: string,
    blob: Pick<Descriptor, 'digest' | 'size'>,
    start: number,
    given?: AbortSignal,
  ): Promise<Readable> {
    return this.#download(repository, blob, start, new PassThrough(), given);
  }

  #readingBlob(repository: string, { digest }: Pick<Descriptor, 'digest'>): string {
    return `reading the blob ${digest} of ${this.#fetcher.named(repository)}`;
  }

  async #download(
    repository: string,
    blob: Pick<Descriptor, 'digest' | 'size'>,
    start: number,
    checked: Duplex,
    given: AbortSignal | undefined,
  ): Promise<Readable> {
    const signal = this.#transport.bounded(given);
    const doing = this.#readingBlob(repository, blob);
    const broken = (because: string) => this.#fetcher.broken(doing, because);
    const failed = (error: unknown) => this.#fetcher.failure(doing, error, 'pull');
    try {
      return await downloadBlob(this.#transport, repository, blob, start, checked, failed, signal);
    } catch (error) {
      if (error instanceof RegistryError && error.missing)
        throw broken(`the registry does not have it (${error.message})`);
      throw failed(error);
    }
  }

  async listTags(repository: string): Promise<string[]> {
    return tagsOf(this.#fetcher, repository);
  }

  /** Every repository; undefined when the registry gives no catalog, or not to us. */
  async listRepositories(): Promise<string[] | undefined> {
    return catalogOf(this.#fetcher);
  }

  /** `mountFrom`: repositories of this registry that may have the blob. */
  async putBlob(
    repository: string,
    blob: BlobSource,
    options: { mountFrom?: string[]; signal?: AbortSignal } = {},
  ): Promise<BlobPut> {
    const signal = this.#transport.bounded(options.signal);
    const doing = `uploading the blob ${blob.digest} to ${this.#fetcher.named(repository)}`;
    const present = async () => (await this.#headBlob(repository, blob.digest, signal)) === blob.size;
    try {
      if (await present()) return { outcome: 'present' };
      let session: URL | undefined;
      for (const from of (options.mountFrom ?? []).filter((each) => each !== repository)) {
        const mounted = await mountBlob(this.#transport, repository, blob.digest, from, signal);
        if (mounted !== undefined && session !== undefined)
          await cancelUpload(this.#transport, repository, session, signal);
        if (mounted === true) return { outcome: 'mounted', from };
        session = mounted ?? session;
      }
      await uploadBlob(this.#transport, repository, blob, { session, signal, present });
      return { outcome: 'uploaded', bytes: blob.size };
    } catch (error) {
      throw this.#fetcher.failure(doing, error, 'push');
    }
  }

  /** Throws the Failure of whoever may not push there. An upload is opened and ended again: nothing is written. */
  async checkPush(repository: string, signal?: AbortSignal): Promise<void> {
    try {
      const session = await openSession(this.#transport, repository, signal);
      await cancelUpload(this.#transport, repository, session, signal);
    } catch (error) {
      throw this.#fetcher.failure(`asking for the right to push to ${this.#fetcher.named(repository)}`, error, 'push');
    }
  }

  /**
   * What names the manifest as its subject, by the registry's own list. Undefined where it keeps none. Distribution spec
   * 1.1, "Listing Referrers".
   */
  async listReferrers(repository: string, subject: Digest, signal?: AbortSignal): Promise<Descriptor[] | undefined> {
    return referrersOf(this.#fetcher, repository, subject, signal);
  }

  /**
   * Puts the bytes under the tag, or under their own digest alone. Returns the subject of the manifest that the registry has
   * noted it for; one without a list of referrers notes none.
   */
  async putManifest(
    repository: string,
    reference: string,
    manifest: StoredManifest,
    signal?: AbortSignal,
  ): Promise<Digest | undefined> {
    const doing = `saving ${this.#fetcher.named(repository, reference)}`;
    const { bytes, descriptor } = manifest;
    const digest = digestOf(bytes);
    const broken = (because: string) => new BrokenContent({ doing, because, fix: 'build the layer again' });
    if (digest !== descriptor.digest)
      throw broken(`the manifest's bytes are those of ${digest}, not ${descriptor.digest}`);
    if (isDigest(reference) && reference !== digest) throw broken(`the manifest's digest is ${digest}`);
    let answer: Answer;
    try {
      answer = await onceBlobsAreKnown(this.#transport.bounded(signal), () =>
        this.#transport.ask({
          method: 'PUT',
          to: `/v2/${repository}/manifests/${reference}`,
          scopes: [pushScope(repository)],
          headers: { 'content-type': descriptor.mediaType, 'content-length': String(bytes.length) },
          body: () => bytes,
          // Some registries say 200 or 202 where the spec says 201.
          accept: [200, 201, 202],
          signal,
        }),
      );
    } catch (error) {
      throw this.#fetcher.failure(doing, error, 'push');
    }
    const told = answer.headers['docker-content-digest'];
    if (typeof told === 'string' && isDigest(told) && told !== digest) {
      throw broken(`the registry took it as ${told} instead of ${digest}`);
    }
    const subject = answer.headers['oci-subject'];
    return typeof subject === 'string' && isDigest(subject) ? subject : undefined;
  }

  /** Deletes a manifest with all its tags. A registry may not allow it; what is not there is no error. */
  async deleteManifest(repository: string, digest: Digest, signal?: AbortSignal): Promise<void> {
    const doing = `deleting ${this.#fetcher.named(repository, digest)}`;
    const scopes = [`repository:${repository}:pull,push,delete`];
    const to = `/v2/${repository}/manifests/${digest}`;
    try {
      await this.#transport.ask({ method: 'DELETE', to, scopes, accept: [200, 202, 204, 404], signal });
    } catch (error) {
      if (!(error instanceof RegistryError) || error.status !== 405) throw this.#fetcher.failure(doing, error, 'push');
      const fix = `allow deletion in the configuration of ${this.registry}, or remove it by its own tools`;
      throw new Failure({
        doing,
        because: `the registry does not delete manifests (${error.message})`,
        fix,
        cause: error,
      });
    }
  }

  /** The blob's size; undefined when it is missing. */
  async #headBlob(repository: string, digest: Digest, signal: AbortSignal | undefined): Promise<number | undefined> {
    const call: Call = {
      method: 'HEAD',
      to: `/v2/${repository}/blobs/${digest}`,
      scopes: [pullScope(repository)],
      accept: [200],
      signal,
    };
    const answer = await this.#fetcher.read(
      `looking for the blob ${digest} of ${this.#fetcher.named(repository)}`,
      call,
      repository,
    );
    if (answer === undefined) return undefined;
    await answer.body.dump().catch(() => {});
    return Number(answer.headers['content-length'] ?? 0);
  }

  #manifestCall(method: 'GET' | 'HEAD', repository: string, reference: string, signal: AbortSignal | undefined): Call {
    return {
      method,
      to: `/v2/${repository}/manifests/${reference}`,
      scopes: [pullScope(repository)],
      headers: { accept: manifestTypes },
      accept: [200],
      signal,
      ...(method === 'GET' && { most: largestManifest }),
    };
  }
}
