import type { Digest } from '../../src/oci/digest.ts';
import { mediaType } from '../../src/oci/media-type.ts';
import { commitRelease } from '../../src/release/release-store.ts';
import type { LayoutStore } from '../../src/store/layout.ts';
import { noise, sampleLayout, sampleTar } from '../delta/sample-image.ts';
import { blobOf } from '../store/content.ts';

/** Commits a release of one image of this machine's platform, under the names of these. */
export async function releaseSample(store: LayoutStore, version: string, platforms: string[]): Promise<void> {
  const { files, image } = sampleLayout([sampleTar([{ name: 'app', bytes: noise(5000, version) }])]);
  const manifest = files.get(`blobs/sha256/${image.manifest.slice(7)}`)!;
  for (const [name, bytes] of files) if (name.startsWith('blobs/')) await store.putBlob('app', blobOf(bytes));
  const digest = image.manifest as Digest;
  const descriptor = { mediaType: mediaType.manifest, digest, size: manifest.length };
  await store.putManifest('app', version, { descriptor, bytes: manifest });
  const images = platforms.map((platform) => ({
    layer: 'app',
    image: 'app',
    repository: 'app',
    platform,
    digest,
    index: null,
    config: image.config as Digest,
    diffIds: image.diffIds as Digest[],
    fingerprint: '0'.repeat(64),
  }));
  const nothing = { previous: null, revision: null, fingerprints: [], debs: [], models: [], deltas: [] };
  await commitRelease(store, { schema: 1, name: 'app', version, images, ...nothing });
}
