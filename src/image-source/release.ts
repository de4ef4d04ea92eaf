import { Failure } from '../failure.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { isDigest, type Digest } from '../oci/digest.ts';
import type { ImageManifest } from '../oci/manifest.ts';
import { mediaType } from '../oci/media-type.ts';
import { parsePlatform, platformName, samePlatform, type Platform } from '../oci/platform.ts';
import type { LayerStore } from '../store/layer-store.ts';
import { readBlob } from '../store/read-blob.ts';
import type { ByteStream, ImageSet, SourceImage } from './image.ts';
import { documentLimit, openFromBlobs, type BlobReader } from './oci-layout.ts';
import { releasePackages } from './release-packages.ts';

/** What a delta needs to know of release.json. */
interface ReleasedImage {
  /** Below the store. */
  repository: string;
  digest: Digest;
  platform: string;
}

/**
 * Opens the images and packages of a release that are for this platform. `folder`: absolute, where its files lie that are in
 * no store. Throws a Failure when the store has no such release.
 */
export async function openRelease(
  store: LayerStore,
  version: string,
  platform: Platform,
  folder: string,
): Promise<ImageSet> {
  const doing = `opening release ${version} in ${store.name}`;
  const stored = await store.getManifest('releases', version.replaceAll('+', '_'));
  if (stored === undefined) {
    throw new Failure({
      doing,
      because: 'the store has no such release',
      fix: 'check the version and the store; `imgbuild store ls` lists releases',
      kind: 'input',
    });
  }
  const artifact = JSON.parse(Buffer.from(stored.bytes).toString('utf8')) as ImageManifest;
  const document = artifact.layers.find((layer) => layer.mediaType === mediaType.release);
  if (document === undefined || document.size > documentLimit) {
    throw new Failure({
      doing,
      because: 'its artifact holds no release.json that can be read',
      fix: '`imgbuild store verify` tells what is damaged',
    });
  }
  const bytes = await readBlob(document, (blob) => store.openBlob('releases', blob));
  const release = JSON.parse(bytes.toString('utf8')) as Record<string, unknown>;
  const released = imagesOf(release, doing).filter((image) => samePlatform(parsePlatform(image.platform), platform));
  if (released.length === 0) {
    throw new Failure({
      doing,
      because: `it has no image for ${platformName(platform)}`,
      fix: 'give the platform by --platform',
      kind: 'input',
    });
  }
  const images: SourceImage[] = [];
  for (const image of released) images.push(await openReleased(store, image, version, platform));
  return {
    name: version,
    ...(typeof release['name'] === 'string' ? { project: release['name'] } : {}),
    version,
    images,
    packages: releasePackages(release, platform, store, folder),
    async close() {},
  };
}

/** Fields are read one by one: a release.json of a later imgbuild may have more. */
function imagesOf(release: Record<string, unknown>, doing: string): ReleasedImage[] {
  const images = Array.isArray(release['images']) ? (release['images'] as Record<string, unknown>[]) : [];
  return images.map((image) => {
    const { digest, platform } = image;
    const repository = image['repository'] ?? untagged(image['image']) ?? image['name'];
    if (typeof repository === 'string' && typeof digest === 'string' && isDigest(digest)) {
      if (typeof platform === 'string') return { repository, digest, platform };
    }
    throw new Failure({
      doing,
      because: `its release.json names an image that is none: ${JSON.stringify(image).slice(0, 200)}`,
      fix: '`imgbuild store verify` tells what is damaged',
    });
  });
}

function untagged(image: unknown): string | undefined {
  return typeof image === 'string' ? image.replace(/:[^/]*$/, '') : undefined;
}

async function openReleased(
  store: LayerStore,
  { repository, digest }: ReleasedImage,
  version: string,
  platform: Platform,
): Promise<SourceImage> {
  const name = `${repository} of release ${version}`;
  const root = await store.getManifest(repository, digest);
  if (root === undefined) {
    throw new Failure({
      doing: `opening ${name}`,
      because: `${digest} is not in ${store.name}`,
      fix: '`imgbuild store verify` tells what else is missing',
    });
  }
  const blobs: BlobReader = {
    name,
    async open(descriptor: Descriptor) {
      if (descriptor.digest === digest) return bytesOf(root.bytes);
      if (/manifest|index/.test(descriptor.mediaType)) {
        const found = await store.getManifest(repository, descriptor.digest);
        return found && bytesOf(found.bytes);
      }
      return (await store.openBlob(repository, descriptor)) as unknown as ByteStream;
    },
  };
  const image = await openFromBlobs(blobs, root.descriptor, { name, platform });
  // On a device the repository alone names the image: it has no registry to look into.
  const reference = `${repository}:${version.replaceAll('+', '_')}`;
  return { ...image, reference, place: store.name, home: { store, repository } };
}

function bytesOf(bytes: Uint8Array): ByteStream {
  return [Buffer.from(bytes)] as unknown as ByteStream;
}
