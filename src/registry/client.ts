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
import { RegistryError, registryFailure } from './error.ts';
import { Transport, type Answer, type Call, type TransportOptions } from './transport.ts';
import { locationOf, openSession, uploadBlob } from './upload.ts';

export type ClientOptions = TransportOptions;

const manifestTypes = [mediaType.manifest, mediaType.index, mediaType.dockerManifest, mediaType.dockerIndex].join(', ');

const largestList = 16 * 1024 * 1024;

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

  constructor(registry: string, options: ClientOptions = {}) {
    this.registry = registry;
    this.#transport = new Transport(registry, options);
  }

  async getManifest(repository: string, reference: string, signal?: AbortSignal): Promise<StoredManifest | undefined> {
    const doing = `reading ${this.#named(repository, reference)}`;
    const answer = await this.#read(doing, this.#manifestCall('GET', repository, reference, signal), repository);
    if (answer === undefined) return undefined;
    const { bytes } = answer;
    const broken = (because: string) => this.#broken(doing, because);
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
    const doing = `looking for ${this.#named(repository, reference)}`;
    const answer = await this.#read(doing, this.#manifestCall('HEAD', repository, reference, signal), repository);
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
    const checked = verifying(blob, (because) => this.#broken(this.#readingBlob(repository, blob), because));
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
    return `reading the blob ${digest} of ${this.#named(repository)}`;
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
    const broken = (because: string) => this.#broken(doing, because);
    const failed = (error: unknown) => this.#failure(doing, error, 'pull');
    try {
      return await downloadBlob(this.#transport, repository, blob, start, checked, failed, signal);
    } catch (error) {
      if (error instanceof RegistryError && error.missing)
        throw broken(`the registry does not have it (${error.message})`);
      throw failed(error);
    }
  }

  async listTags(repository: string): Promise<string[]> {
    const doing = `listing the tags of ${this.#named(repository)}`;
    const tags: string[] = [];
    let to: string | URL | undefined = `/v2/${repository}/tags/list?n=1000`;
    while (to !== undefined) {
      const call: Call = { method: 'GET', to, scopes: [pullScope(repository)], accept: [200], most: largestList };
      const answer: Answer | undefined = await this.#read(doing, call, repository);
      if (answer === undefined) break;
      const page = this.#json(doing, answer);
      // A repository whose last tag was deleted says null.
      if (Array.isArray(page['tags'])) tags.push(...page['tags'].filter((tag) => typeof tag === 'string'));
      to = nextPage(answer);
    }
    return [...new Set(tags)].toSorted();
  }

  /** Every repository; undefined when the registry gives no catalog, or not to us. */
  async listRepositories(): Promise<string[] | undefined> {
    const doing = `listing the repositories of ${this.registry}`;
    const names: string[] = [];
    let to: string | URL | undefined = '/v2/_catalog?n=1000';
    while (to !== undefined) {
      let answer: Answer;
      try {
        answer = await this.#transport.exchange({
          method: 'GET',
          to,
          scopes: ['registry:catalog:*'],
          accept: [200],
          most: largestList,
        });
      } catch (error) {
        const refused =
          error instanceof RegistryError && (error.denied || [400, 404, 405, 501].includes(error.status ?? 0));
        if (refused) return undefined;
        throw this.#failure(doing, error, 'pull');
      }
      const page = this.#json(doing, answer);
      if (Array.isArray(page['repositories'])) {
        names.push(...page['repositories'].filter((name) => typeof name === 'string'));
      }
      to = nextPage(answer);
    }
    return [...new Set(names)].toSorted();
  }

  /** `mountFrom`: repositories of this registry that may have the blob. */
  async putBlob(
    repository: string,
    blob: BlobSource,
    options: { mountFrom?: string[]; signal?: AbortSignal } = {},
  ): Promise<BlobPut> {
    const signal = this.#transport.bounded(options.signal);
    const doing = `uploading the blob ${blob.digest} to ${this.#named(repository)}`;
    const present = async () => (await this.#headBlob(repository, blob.digest, signal)) === blob.size;
    try {
      if (await present()) return { outcome: 'present' };
      let session: URL | undefined;
      for (const from of (options.mountFrom ?? []).filter((each) => each !== repository)) {
        const mounted = await this.#mount(repository, blob.digest, from, signal);
        if (mounted !== undefined && session !== undefined) await this.#cancelUpload(repository, session, signal);
        if (mounted === true) return { outcome: 'mounted', from };
        session = mounted ?? session;
      }
      await uploadBlob(this.#transport, repository, blob, { session, signal, present });
      return { outcome: 'uploaded', bytes: blob.size };
    } catch (error) {
      throw this.#failure(doing, error, 'push');
    }
  }

  /** Throws the Failure of whoever may not push there. An upload is opened and ended again: nothing is written. */
  async checkPush(repository: string, signal?: AbortSignal): Promise<void> {
    try {
      const session = await openSession(this.#transport, repository, signal);
      await this.#cancelUpload(repository, session, signal);
    } catch (error) {
      throw this.#failure(`asking for the right to push to ${this.#named(repository)}`, error, 'push');
    }
  }

  /**
   * What names the manifest as its subject, by the registry's own list. Undefined where it keeps none. Distribution spec
   * 1.1, "Listing Referrers".
   */
  async listReferrers(repository: string, subject: Digest, signal?: AbortSignal): Promise<Descriptor[] | undefined> {
    const doing = `listing the referrers of ${this.#named(repository, subject)}`;
    const found: Descriptor[] = [];
    let to: string | URL | undefined = `/v2/${repository}/referrers/${subject}`;
    while (to !== undefined) {
      const call: Call = {
        method: 'GET',
        to,
        scopes: [pullScope(repository)],
        accept: [200],
        most: largestList,
        signal,
      };
      const answer = await this.#transport.exchange(call).catch((error: unknown) => {
        if (!(error instanceof RegistryError)) throw error;
        if ([400, 404, 405, 501].includes(error.status ?? 0)) return undefined;
        if (error.denied) return this.#readAsWriter(doing, call, repository, error);
        throw this.#failure(doing, error, 'pull');
      });
      // Some registries answer what they do not know with a page of another kind.
      if (answer === undefined || contentType(answer) !== mediaType.index) return undefined;
      try {
        const page = parseManifest(answer.bytes, mediaType.index);
        if (page.kind === 'index') found.push(...page.manifest.manifests);
      } catch (error) {
        throw this.#broken(doing, (error as Error).message);
      }
      to = nextPage(answer);
    }
    return found;
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
    const doing = `saving ${this.#named(repository, reference)}`;
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
      throw this.#failure(doing, error, 'push');
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
    const doing = `deleting ${this.#named(repository, digest)}`;
    const scopes = [`repository:${repository}:pull,push,delete`];
    const to = `/v2/${repository}/manifests/${digest}`;
    try {
      await this.#transport.ask({ method: 'DELETE', to, scopes, accept: [200, 202, 204, 404], signal });
    } catch (error) {
      if (!(error instanceof RegistryError) || error.status !== 405) throw this.#failure(doing, error, 'push');
      const fix = `allow deletion in the configuration of ${this.registry}, or remove it by its own tools`;
      throw new Failure({
        doing,
        because: `the registry does not delete manifests (${error.message})`,
        fix,
        cause: error,
      });
    }
  }

  /** True when it was linked; else the upload that the registry opened instead, if any. */
  async #mount(
    repository: string,
    digest: Digest,
    from: string,
    signal: AbortSignal | undefined,
  ): Promise<true | URL | undefined> {
    const query = new URLSearchParams({ mount: digest, from });
    try {
      const answer = await this.#transport.ask({
        method: 'POST',
        to: `/v2/${repository}/blobs/uploads/?${query}`,
        scopes: [pushScope(repository), pullScope(from)],
        headers: { 'content-length': '0' },
        accept: [201, 202],
        signal,
      });
      return answer.status === 201 ? true : locationOf(answer);
    } catch (error) {
      // No right to the other repository, or no mounts at all: the upload works without.
      if (error instanceof RegistryError && error.status !== undefined && !error.temporary) return undefined;
      throw error;
    }
  }

  /** An upload that nobody ends stays open for a week or more. Not every registry lets one be ended this way. */
  async #cancelUpload(repository: string, to: URL, signal: AbortSignal | undefined): Promise<void> {
    const scopes = [pushScope(repository)];
    const answer = await this.#transport
      .once({ method: 'DELETE', to, scopes, accept: [200, 202, 204], signal })
      .catch(() => undefined);
    await answer?.body.dump().catch(() => {});
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
    const answer = await this.#read(`looking for the blob ${digest} of ${this.#named(repository)}`, call, repository);
    if (answer === undefined) return undefined;
    await answer.body.dump().catch(() => {});
    return Number(answer.headers['content-length'] ?? 0);
  }

  /**
   * A read whose 404 means missing. So does a refusal where this login may push: registries that hide what is private
   * refuse what is not there yet, and the first push makes it.
   */
  async #read(doing: string, call: Call, repository: string): Promise<Answer | undefined> {
    try {
      return await this.#transport.exchange(call);
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      if (error.missing) return undefined;
      if (!error.denied) throw this.#failure(doing, error, 'pull');
      return this.#readAsWriter(doing, call, repository, error);
    }
  }

  async #readAsWriter(
    doing: string,
    call: Call,
    repository: string,
    refusal: RegistryError,
  ): Promise<Answer | undefined> {
    const scopes = [pushScope(repository)];
    try {
      if (!(await this.#transport.mayPush(repository, call.signal))) throw refusal;
      return await this.#transport.exchange({ ...call, scopes });
    } catch (error) {
      if (error instanceof RegistryError && error.missing) return undefined;
      const hidden = error instanceof RegistryError && error.denied && error !== refusal;
      if (hidden && (await this.#transport.mayPush(repository, call.signal))) return undefined;
      throw this.#failure(doing, error instanceof RegistryError && error.denied ? refusal : error, 'pull');
    }
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

  #json(doing: string, answer: Answer): Record<string, unknown> {
    try {
      const value: unknown = JSON.parse(new TextDecoder().decode(answer.bytes));
      if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
    } catch {
      // Said below.
    }
    throw this.#broken(doing, `${answer.url.host} does not answer with a JSON object`);
  }

  #failure(doing: string, error: unknown, right: 'pull' | 'push'): unknown {
    return registryFailure(doing, error, this.registry, right);
  }

  #named(repository: string, reference?: string): string {
    const name = `${this.registry}/${repository}`;
    if (reference === undefined) return name;
    return isDigest(reference) ? `${name}@${reference}` : `${name}:${reference}`;
  }

  #broken(doing: string, because: string): BrokenContent {
    const fix =
      'build the layer again with `--force`: its tags move to the new one; if it comes back, the registry damages data';
    return new BrokenContent({ doing, because, fix });
  }
}

function contentType(answer: Answer): string | undefined {
  const value = answer.headers['content-type'];
  return typeof value === 'string' ? value.split(';')[0]!.trim() : undefined;
}

/** RFC 8288: `</v2/…?last=x&n=1000>; rel="next"`. Only within the registry. */
function nextPage(answer: Answer): URL | undefined {
  const link = answer.headers['link'];
  const target = /<([^>]+)>\s*;[^,]*rel="?next"?/i.exec(String(link ?? ''))?.[1];
  if (target === undefined) return undefined;
  const url = new URL(target, answer.url);
  return url.origin === answer.url.origin ? url : new URL(`${url.pathname}${url.search}`, answer.url.origin);
}
