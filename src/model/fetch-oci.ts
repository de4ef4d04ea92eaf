import { open } from 'node:fs/promises';
import { parseModelPath } from '../config/model-path.ts';
import type { ModelSource } from '../config/config.ts';
import { Wrong } from '../config/wrong.ts';
import { Failure } from '../failure.ts';
import type { BlobCache, CachedFile } from '../fetch/blob-cache.ts';
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
    async fill(partial) {
      const transfer = progress.transfer(`fetching ${to}`, blob.size);
      const handle = await open(partial, 'w', 0o600);
      try {
        for await (const chunk of await registries.openBlob(reference, blob, signal)) {
          await handle.writeFile(chunk as Uint8Array);
          transfer.add((chunk as Uint8Array).length);
        }
        await handle.sync();
      } finally {
        transfer.end();
        await handle.close();
      }
    },
  });
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
