import { artifactManifest } from '../artifact/manifest.ts';
import { Failure } from '../failure.ts';
import { digestOf, type Digest } from '../oci/digest.ts';
import type { StoredManifest } from '../oci/manifest.ts';
import { mediaType } from '../oci/media-type.ts';
import { largestManifest, parseManifest } from '../oci/parse-manifest.ts';
import { inMemoryBlob } from '../store/in-memory-blob.ts';
import { emptyBlob } from '../store/input-artifact.ts';
import type { BlobSource, LayerStore } from '../store/layer-store.ts';
import { readBlob } from '../store/read-blob.ts';
import { parseChannel, type Channel } from './channel-json.ts';
import { releasesRepository } from './release-store.ts';

const tagOf = (channel: string) => `channel-${channel}`;

export interface StoredChannel {
  channel: Channel;
  digest: Digest;
}

/** Undefined where nothing was promoted to it yet. Throws a Failure when it is there and cannot be read. */
export async function readChannel(store: LayerStore, name: string): Promise<StoredChannel | undefined> {
  const manifest = await store.getManifest(releasesRepository, tagOf(name));
  if (!manifest) return undefined;
  const broken = (because: string, cause?: unknown) =>
    new Failure({
      doing: `reading the channel ${name} in ${store.name}`,
      because,
      fix: `\`imgbuild store verify\` tells what is damaged; without the tag releases:${tagOf(name)} the channel begins anew`,
      cause,
    });
  const parsed = parseManifest(manifest.bytes, manifest.descriptor.mediaType);
  const blob = parsed.kind === 'image' && parsed.manifest.layers.find((each) => each.mediaType === mediaType.channel);
  if (!blob || blob.size > largestManifest) throw broken('the artifact under its tag holds no ota.json');
  const document = await readBlob(blob, (wanted) => store.openBlob(releasesRepository, wanted));
  try {
    const channel = parseChannel(document);
    if (channel.channel !== name) throw new RangeError(`it is the ota.json of ${channel.channel}`);
    return { channel, digest: manifest.descriptor.digest };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw broken(`ota.json: ${error.message}`, error);
  }
}

/**
 * Moves a channel. `before` is what was read. Throws a Failure when somebody else moved it meanwhile: two documents of
 * one sequence would leave it to chance which one a device takes.
 */
export async function writeChannel(
  store: LayerStore,
  name: string,
  before: Digest | undefined,
  document: Buffer,
  signature: Buffer,
): Promise<void> {
  const { manifest, blobs } = channelArtifact(name, document, signature);
  for (const blob of blobs) await store.putBlob(releasesRepository, blob);
  const tag = tagOf(name);
  const found = await store.headManifest(releasesRepository, tag);
  if (found?.digest === before) await store.putManifest(releasesRepository, tag, manifest);
  const after = await store.headManifest(releasesRepository, tag);
  if (after?.digest === manifest.descriptor.digest) return;
  throw new Failure({
    doing: `moving the channel ${name} in ${store.name}`,
    because: 'somebody else moved it meanwhile',
    fix: 'look at what it is now, and run it again if it still should move',
  });
}

function channelArtifact(
  name: string,
  document: Buffer,
  signature: Buffer,
): { manifest: StoredManifest; blobs: BlobSource[] } {
  const titled = (bytes: Buffer, type: string, title: string) => ({
    mediaType: type,
    digest: digestOf(bytes),
    size: bytes.length,
    annotations: { 'org.opencontainers.image.title': title },
  });
  const manifest = artifactManifest({
    artifactType: mediaType.channelArtifact,
    config: { mediaType: emptyBlob.mediaType, digest: digestOf(emptyBlob.bytes), size: emptyBlob.bytes.length },
    layers: [titled(document, mediaType.channel, 'ota.json'), titled(signature, mediaType.signature, 'ota.json.asc')],
    annotations: { 'vnd.imgbuild.channel': name },
  });
  return { manifest, blobs: [inMemoryBlob(document), inMemoryBlob(signature), inMemoryBlob(emptyBlob.bytes)] };
}
