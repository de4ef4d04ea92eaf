import { pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import { Failure } from '../failure.ts';
import { hexOf, type Digest } from '../oci/digest.ts';
import type { ImageConfig, ImageManifest } from '../oci/manifest.ts';
import { layoutMarker } from '../oci/layout-marker.ts';
import { mediaType } from '../oci/media-type.ts';
import { formatReference, parseReference } from '../oci/reference.ts';
import { blockSize, padding } from '../tar/header.ts';
import { memberHeader } from '../tar/member-header.ts';
import { askDocker, dockerFailure, lastLines, runDocker, startDocker, type DockerClient } from './docker-client.ts';
import type { ImageToLoad } from './engine.ts';
import { beginsWith, parseImageConfig } from './image-config.ts';

function whole(name: string, bytes: Uint8Array): Buffer {
  return Buffer.concat([memberHeader(name, bytes.length), bytes, Buffer.alloc(padding(bytes.length))]);
}

const pathOf = (digest: Digest) => `blobs/sha256/${hexOf(digest)}`;

/**
 * An archive that both kinds of image store take: manifest.json for Docker's own, an OCI layout for containerd's, over
 * the same blobs. The first `omitted` filesystem layers are left out: the daemon has them.
 */
async function* archiveOf(
  image: ImageToLoad,
  manifest: ImageManifest,
  config: Buffer,
  name: string,
  omitted: number,
): AsyncGenerator<Buffer> {
  const { tag = 'latest' } = parseReference(name);
  const annotations = {
    'io.containerd.image.name': formatReference(parseReference(name)),
    'org.opencontainers.image.ref.name': tag,
  };
  const json = (value: unknown) => Buffer.from(JSON.stringify(value));
  yield whole('oci-layout', Buffer.from(layoutMarker));
  const entry = { ...image.descriptor, annotations };
  yield whole('index.json', json({ schemaVersion: 2, mediaType: mediaType.index, manifests: [entry] }));
  yield whole(pathOf(image.descriptor.digest), image.manifest);
  yield whole(pathOf(manifest.config.digest), config);
  yield whole(
    'manifest.json',
    json([
      {
        Config: pathOf(manifest.config.digest),
        RepoTags: [formatReference(parseReference(name))],
        Layers: manifest.layers.map((layer) => pathOf(layer.digest)),
      },
    ]),
  );
  const seen = new Set<Digest>();
  for (const layer of manifest.layers.slice(omitted)) {
    if (seen.has(layer.digest)) continue;
    seen.add(layer.digest);
    yield memberHeader(pathOf(layer.digest), layer.size);
    for await (const chunk of await image.openBlob(layer)) yield chunk as Buffer;
    yield Buffer.alloc(padding(layer.size));
  }
  yield Buffer.alloc(2 * blockSize);
}

async function configOf(image: ImageToLoad): Promise<{ manifest: ImageManifest; bytes: Buffer; config: ImageConfig }> {
  const manifest = JSON.parse(Buffer.from(image.manifest).toString('utf8')) as ImageManifest;
  const chunks: Buffer[] = [];
  for await (const chunk of await image.openBlob(manifest.config)) chunks.push(chunk as Buffer);
  const bytes = Buffer.concat(chunks);
  return { manifest, bytes, config: parseImageConfig(bytes) };
}

/**
 * How many filesystem layers, from the bottom, images of the daemon have: `docker load` takes an archive without those.
 * Holds for Docker's own store; containerd's looks for blobs, which it may not have kept.
 */
async function presentLayers(client: DockerClient, diffIds: readonly Digest[], signal: AbortSignal): Promise<number> {
  const listed = await askDocker(
    client,
    ['image', 'ls', '--all', '--quiet', '--no-trunc'],
    'listing the images of the engine',
    signal,
  );
  const ids = [...new Set(listed.split('\n').filter((id) => id !== ''))];
  let most = 0;
  for (let at = 0; at < ids.length; at += 100) {
    const some = ids.slice(at, at + 100);
    const args = ['image', 'inspect', '--format', '{{json .RootFS.Layers}}', ...some];
    // An image may go away between the two questions, which the exit code tells: what the others say still holds.
    const { stdout } = await runDocker(client, args, { signal });
    for (const line of stdout.toString('utf8').split('\n')) {
      if (!line.startsWith('[')) continue;
      const layers = JSON.parse(line) as Digest[];
      while (most < diffIds.length && beginsWith(layers, diffIds.slice(0, most + 1))) most++;
    }
  }
  return most;
}

/** Streams an image into the daemon and gives it the name. Returns when the daemon has exactly that image. */
export async function loadImage(
  client: DockerClient,
  store: 'classic' | 'containerd',
  image: ImageToLoad,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const doing = `loading ${name} into the engine`;
  const { manifest, bytes, config } = await configOf(image);
  const diffIds = config.rootfs.diff_ids;
  const present = store === 'classic' ? await presentLayers(client, diffIds, signal) : 0;
  const load = async (omitted: number): Promise<string | undefined> => {
    const program = startDocker(client, ['load', '--quiet'], signal);
    program.stdout.resume();
    const sent = pipeline(Readable.from(archiveOf(image, manifest, bytes, name, omitted)), program.stdin);
    const [exit, stream] = await Promise.allSettled([program.exited, sent]);
    if (exit.status === 'rejected') throw exit.reason;
    // A daemon that refuses closes its end early: its own words come first. Of bytes that cannot be read it knows nothing.
    if (stream.status === 'rejected' && !isClosed(stream.reason)) throw stream.reason;
    if (exit.value !== 0) return program.stderr();
    if (stream.status === 'rejected') throw stream.reason;
    return undefined;
  };
  let refused = await load(present);
  // Somebody removed an image in the meantime.
  if (refused !== undefined && present > 0) refused = await load(0);
  if (refused !== undefined) throw dockerFailure(doing, refused);

  // Neither the exit code nor "Loaded image" says that all filesystem layers are there.
  const args = ['image', 'inspect', '--format', '{{json .RootFS.Layers}}', name];
  const layers = JSON.parse((await askDocker(client, args, doing, signal)) || 'null') as Digest[] | null;
  if (layers?.length === diffIds.length && beginsWith(layers, diffIds)) return;
  throw new Failure({
    doing,
    because: `the engine reports success and holds another image under that name (${lastLines(JSON.stringify(layers), 1).slice(0, 200)})`,
    fix: 'see whether the disk of the engine is full; its log tells more',
  });
}

/** The other end of a pipe was closed. */
function isClosed(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'EPIPE' || code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE';
}
