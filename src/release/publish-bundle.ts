import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import { Failure } from '../failure.ts';
import type { DeltaReport } from '../delta/make.ts';
import type { ImageSet } from '../image-source/image.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { platformName } from '../oci/platform.ts';
import type { Progress } from '../progress.ts';
import { inMemoryBlob } from '../store/in-memory-blob.ts';
import { emptyBlob } from '../store/input-artifact.ts';
import type { BlobSource, LayerStore, ReferrerPut, ReferrerStore } from '../store/layer-store.ts';
import { bundleArtifact, type BundleFacts } from './bundle-artifact.ts';

/** An image that a bundle leads to, and the repository that holds it. */
export interface BundleSubject {
  store: LayerStore;
  repository: string;
  /** Of its manifest, never of an index: a bundle is for one platform. */
  manifest: Descriptor;
}

/** Where a bundle lies now. */
export interface PublishedBundle {
  /** `ghcr.io/acme/ccai/service_runtime@sha256:…`: the artifact. */
  reference: string;
  repository: string;
  /** Of the artifact's manifest. */
  digest: Digest;
  outcome: ReferrerPut;
  /** Of the file that were sent; none where the registry had it. */
  sent: number;
}

export interface PublishOptions {
  progress: Progress;
  signal: AbortSignal;
}

/** Whether bundles can be published there: in a registry that may be written, not in a folder, nor in one that lies over a registry. */
export function isReferrerStore(store: LayerStore): store is ReferrerStore {
  return 'putReferrer' in store;
}

/** The images of a set, where they lie. Throws a Failure where they lie in no repository. */
export function subjectsOf({ images }: ImageSet): BundleSubject[] {
  return images.map(({ name, home, manifest }) => {
    if (home === undefined) throw noRegistry(`${name} lies in none`);
    return { ...home, manifest: manifest.descriptor };
  });
}

/** Throws a Failure unless every image lies in a registry to which this login may push: before the bundle is made. */
export async function checkPublishing(subjects: readonly BundleSubject[], signal: AbortSignal): Promise<void> {
  for (const { store, repository } of subjects) {
    await referrerStore(store).check?.('write', [repository], signal);
  }
}

/**
 * Publishes a bundle as a referrer of every image that it leads to. The file is sent once; what the registry has is not
 * sent at all. Throws a Failure.
 */
export async function publishBundle(
  bundle: BundleFacts,
  path: string,
  subjects: readonly BundleSubject[],
  options: PublishOptions,
): Promise<PublishedBundle[]> {
  const published: PublishedBundle[] = [];
  for (const [at, { store, repository, manifest }] of subjects.entries()) {
    const target = referrerStore(store);
    const mountFrom = subjects.slice(0, at).map((earlier) => earlier.repository);
    const { signal } = options;
    const blob = fileBlob(bundle, path, options);
    const put = await target.putBlob(repository, blob, { mountFrom, signal }).finally(() => blob.end());
    await target.putBlob(repository, inMemoryBlob(emptyBlob.bytes), { signal });
    const artifact = bundleArtifact(bundle, manifest);
    const outcome = await target.putReferrer(repository, artifact);
    const { digest } = artifact.descriptor;
    const sent = put.outcome === 'uploaded' ? put.bytes : 0;
    published.push({ reference: `${target.name}/${repository}@${digest}`, repository, digest, outcome, sent });
  }
  return published;
}

/** What `makeDelta` has made, beside the images of `to`. Throws a Failure. */
export function publishMade(
  made: DeltaReport,
  { name, from, to }: { name: string | undefined; from: ImageSet; to: ImageSet },
  options: PublishOptions,
): Promise<PublishedBundle[]> {
  const facts = {
    name,
    from: from.version,
    to: to.version,
    platform: platformName(to.images[0]!.platform),
    file: basename(made.path),
    size: made.bytes,
    digest: made.digest,
  };
  return publishBundle(facts, made.path, subjectsOf(to), options);
}

function referrerStore(store: LayerStore): ReferrerStore {
  if (isReferrerStore(store)) return store;
  throw noRegistry(`the image is in ${store.name}, and a folder has no referrers`);
}

function noRegistry(because: string): Failure {
  return new Failure({
    doing: 'publishing a bundle in the registry of the image that it leads to',
    because,
    fix: 'make it to a release whose store is a registry, or to docker://NAME; or do not push it',
    kind: 'input',
  });
}

function fileBlob(
  { digest, size, file }: BundleFacts,
  path: string,
  { progress, signal }: PublishOptions,
): BlobSource & { end(): void } {
  let transfer: ReturnType<Progress['transfer']> | undefined;
  return {
    digest,
    size,
    file: path,
    open(start = 0) {
      const moving = (transfer ??= progress.transfer(`publishing ${file}`, size));
      const chunks = createReadStream(path, { start, highWaterMark: 2 ** 20, signal });
      return Readable.from(counted(chunks, (bytes) => moving.add(bytes)));
    },
    end: () => transfer?.end(),
  };
}

async function* counted(chunks: AsyncIterable<Buffer>, moved: (bytes: number) => void): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    moved(chunk.length);
    yield chunk;
  }
}
