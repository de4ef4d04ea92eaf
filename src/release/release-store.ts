import { artifactManifest } from '../artifact/manifest.ts';
import { Failure } from '../failure.ts';
import { digestOf } from '../oci/digest.ts';
import type { StoredManifest } from '../oci/manifest.ts';
import { mediaType } from '../oci/media-type.ts';
import { largestManifest, parseManifest } from '../oci/parse-manifest.ts';
import { inMemoryBlob } from '../store/in-memory-blob.ts';
import { emptyBlob } from '../store/input-artifact.ts';
import type { BlobSource, LayerStore } from '../store/layer-store.ts';
import { readBlob } from '../store/read-blob.ts';
import { formatRelease, parseRelease, type Release } from './release-json.ts';
import { compareVersions, versionOfTag, versionTag, type Version } from './version.ts';

/** Below the store. */
export const releasesRepository = 'releases';

const yankedPrefix = 'yanked-';

export interface KnownRelease {
  version: Version;
  yanked: boolean;
}

/** Every release that is committed, lowest version first. */
export async function listReleases(store: LayerStore): Promise<KnownRelease[]> {
  const tags = await store.listTags(releasesRepository);
  const yanked = new Set(
    tags.filter((tag) => tag.startsWith(yankedPrefix)).map((tag) => tag.slice(yankedPrefix.length)),
  );
  return tags
    .flatMap((tag) => {
      const version = versionOfTag(tag);
      return version === undefined ? [] : [{ version, yanked: yanked.has(tag) }];
    })
    .toSorted((a, b) => compareVersions(a.version, b.version));
}

export interface StoredRelease {
  release: Release;
  manifest: StoredManifest;
}

/** Undefined when there is no such release. Throws a Failure when it is there and cannot be read. */
export async function readRelease(store: LayerStore, version: Version): Promise<StoredRelease | undefined> {
  const manifest = await store.getManifest(releasesRepository, versionTag(version));
  if (!manifest) return undefined;
  const broken = (because: string, cause?: unknown) =>
    new Failure({
      doing: `reading release ${version} in ${store.name}`,
      because,
      fix: '`imgbuild store verify` tells what is damaged; release the content under a new version',
      cause,
    });
  const parsed = parseManifest(manifest.bytes, manifest.descriptor.mediaType);
  const blob = parsed.kind === 'image' && parsed.manifest.layers.find((each) => each.mediaType === mediaType.release);
  if (!blob || blob.size > largestManifest) throw broken('the artifact under its tag holds no release.json');
  const document = await readBlob(blob, (wanted) => store.openBlob(releasesRepository, wanted));
  try {
    const release = parseRelease(document);
    if (release.version !== version) throw new RangeError(`it is the release.json of ${release.version}`);
    return { release, manifest };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw broken(`release.json: ${error.message}`, error);
  }
}

/** For a version that is no release of the store: names those that are. */
export async function noSuchRelease(store: LayerStore, doing: string): Promise<Failure> {
  const known = (await listReleases(store)).map((release) => release.version);
  return new Failure({
    doing,
    because: `${store.name} has no such release`,
    fix: known.length === 0 ? 'nothing is released there yet' : `it has ${known.slice(-10).join(', ')}`,
    kind: 'input',
  });
}

/** The artifact that holds release.json: the same release gives the same digest. */
export function releaseArtifact(release: Release): { manifest: StoredManifest; blobs: BlobSource[] } {
  const document = formatRelease(release);
  const manifest = artifactManifest({
    artifactType: mediaType.releaseArtifact,
    config: { mediaType: emptyBlob.mediaType, digest: digestOf(emptyBlob.bytes), size: emptyBlob.bytes.length },
    layers: [
      {
        mediaType: mediaType.release,
        digest: digestOf(document),
        size: document.length,
        annotations: { 'org.opencontainers.image.title': 'release.json' },
      },
    ],
    annotations: { 'org.opencontainers.image.version': release.version, 'vnd.imgbuild.name': release.name },
  });
  return { manifest, blobs: [inMemoryBlob(document), inMemoryBlob(emptyBlob.bytes)] };
}

/**
 * The commit point: from here on the version is released and never changes. Throws a Failure when somebody else
 * released other content under it meanwhile.
 */
export async function commitRelease(store: LayerStore, release: Release): Promise<void> {
  const doing = `releasing ${release.version} to ${store.name}`;
  const { manifest, blobs } = releaseArtifact(release);
  const tag = versionTag(release.version);
  for (const blob of blobs) await store.putBlob(releasesRepository, blob);
  const before = await store.headManifest(releasesRepository, tag);
  if (!before) await store.putManifest(releasesRepository, tag, manifest);
  const after = await store.headManifest(releasesRepository, tag);
  if (after?.digest === manifest.descriptor.digest) return;
  throw new Failure({
    doing,
    because: 'somebody else released other content under this version meanwhile',
    fix: 'release under a new version',
  });
}

/** Marks a release as one that nobody should move to. False when it was marked before. */
export async function yankRelease(store: LayerStore, version: Version): Promise<boolean> {
  const manifest = await store.getManifest(releasesRepository, versionTag(version));
  if (!manifest) throw await noSuchRelease(store, `yanking ${version}`);
  const tag = `${yankedPrefix}${versionTag(version)}`;
  if (await store.headManifest(releasesRepository, tag)) return false;
  await store.putManifest(releasesRepository, tag, manifest);
  return true;
}
