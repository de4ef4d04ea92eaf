import { parseModelPath } from '../config/model-path.ts';
import type { ModelSource } from '../config/config.ts';
import { Wrong } from '../config/wrong.ts';
import { Failure } from '../failure.ts';
import type { BlobCache, CachedFile } from '../fetch/blob-cache.ts';
import { PartialFile } from '../fetch/partial-file.ts';
import { BrokenContent } from '../oci/broken-content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { hexOf, type Digest } from '../oci/digest.ts';
import { formatReference, type ImageReference } from '../oci/reference.ts';
import { parseManifest } from '../oci/parse-manifest.ts';
import type { Progress } from '../progress.ts';
import type { Registries } from '../registry/registries.ts';
import { pathOfLayer } from './model-pack.ts';

type OciSource = Extract<ModelSource, { from: 'oci' }>;

/** One file of an artifact in a registry. */
export interface ArtifactFile {
  /** Its place in the model. */
  to: string;
  blob: Descriptor;
  reference: ImageReference;
}

/**
 * The files of the artifact that is declared, by its manifest alone. `moved` makes the error for a tag that stands on
 * another digest.
 */
export async function listArtifact(
  registries: Registries,
  source: OciSource,
  moved: (found: Digest, size: number) => Failure,
  signal: AbortSignal | undefined,
): Promise<ArtifactFile[]> {
  const digest: Digest = `sha256:${source.sha256}`;
  const { tag, ...named } = source.reference;
  const doing = `fetching ${source.text}`;
  if (tag !== undefined) {
    const { digest: _, ...tagged } = source.reference;
    const stands = await registries.headManifest(tagged, signal);
    if (stands !== undefined && stands.digest !== digest) throw moved(stands.digest, stands.size);
  }
  const reference: ImageReference = { ...named, digest };
  const stored = await registries.getManifest(reference, signal);
  if (stored === undefined) {
    const fix = 'see whether it was removed, or write the reference of one that is there';
    throw new Failure({ doing, because: `the registry has no ${formatReference(reference)}`, fix });
  }
  const parsed = parseManifest(stored.bytes, stored.descriptor.mediaType);
  if (parsed.kind === 'index') {
    const fix = 'write the digest of one of its manifests';
    throw new Failure({ doing, because: 'it is an index of several artifacts', fix, kind: 'input' });
  }
  return parsed.manifest.layers.map((blob) => ({ to: placeOf(blob, doing), blob, reference }));
}

/** One of its files, in the cache. The bytes are checked while they stream. */
export async function fetchArtifactFile(
  registries: Registries,
  { blob, reference, to }: ArtifactFile,
  cache: BlobCache,
  options: { progress: Progress; signal?: AbortSignal | undefined },
): Promise<CachedFile> {
  const { progress, signal } = options;
  return cache.obtain({
    sha256: hexOf(blob.digest),
    source: `oci:${reference.registry}/${reference.repository}`,
    name: to,
    progress,
    signal,
    fill: (partial) => fill(registries, { blob, reference, to }, partial, options),
  });
}

/** Goes on after what an earlier call left; where that is of another file, it is fetched once more in one piece. */
async function fill(
  registries: Registries,
  file: ArtifactFile,
  path: string,
  options: { progress: Progress; signal?: AbortSignal | undefined },
): Promise<void> {
  const { blob, reference, to } = file;
  const url = `oci:${reference.registry}/${reference.repository}`;
  const partial = await PartialFile.open(path, { name: to, url, ...options });
  try {
    const goesOn = partial.size > 0;
    if (partial.size < blob.size) await appendRest(registries, file, partial, options);
    if (partial.sum() !== hexOf(blob.digest) && goesOn) {
      await partial.restart();
      await appendRest(registries, file, partial, options);
    }
    const because = faultOf(partial, blob);
    if (because === undefined) return await partial.sync();
    await partial.restart();
    const fix = 'see whether the artifact is whole in its registry, and run it again';
    throw new BrokenContent({ doing: `fetching ${to} of ${formatReference(reference)}`, because, fix });
  } finally {
    await partial.close();
  }
}

async function appendRest(
  registries: Registries,
  { blob, reference, to }: ArtifactFile,
  partial: PartialFile,
  { progress, signal }: { progress: Progress; signal?: AbortSignal | undefined },
): Promise<void> {
  const transfer = progress.transfer(`fetching ${to}`, blob.size - partial.size);
  try {
    for await (const chunk of await registries.openRest(reference, blob, partial.size, signal)) {
      await partial.append(chunk as Uint8Array);
      transfer.add((chunk as Uint8Array).length);
      if (partial.size > blob.size) break;
    }
  } finally {
    transfer.end();
  }
}

function faultOf(partial: PartialFile, { digest, size }: Descriptor): string | undefined {
  if (partial.size > size) return `it is longer than the ${size} bytes that ${digest} has`;
  if (partial.size < size) return `it ends after ${partial.size} of the ${size} bytes of ${digest}`;
  const sum = partial.sum();
  return sum === hexOf(digest) ? undefined : `its bytes are those of sha256:${sum}, not of ${digest}`;
}

function placeOf(blob: Descriptor, doing: string): string {
  const path = pathOfLayer(blob);
  const broken = (because: string, fix: string) => new BrokenContent({ doing, because, fix });
  if (path === undefined || /[.+](?:tar|gzip|zstd)$/.test(blob.mediaType)) {
    const why = path === undefined ? 'names no file' : `is an archive (${blob.mediaType})`;
    throw broken(
      `its layer ${blob.digest} ${why}`,
      'use an artifact whose layers are files, as oras and ModelPack make them',
    );
  }
  try {
    return parseModelPath(path);
  } catch (error) {
    if (!(error instanceof Wrong)) throw error;
    throw broken(`its layer ${blob.digest} wants to be ${JSON.stringify(path)}: ${error.message}`, 'do not use it');
  }
}
