import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../failure.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { digestOf, hexOf, type Digest } from '../oci/digest.ts';
import { readTar, type ReadTarEntry } from '../tar/extract.ts';
import type { BuiltImage, KnownLayers } from './engine.ts';
import { chainIds, parseImageConfig } from './image-config.ts';
import { writeFolderImage } from './oci-folder.ts';
import { packLayer, type PackedLayer } from './pack-layer.ts';

/** Parts of an archive that are read into memory: configs and manifest.json. */
const largestPart = 16 * 1024 * 1024;

/**
 * Reads what `docker save` writes (image spec v1.2, and with blobs/ since Docker 25) into an OCI layout folder.
 * Filesystem layers of `known` keep their descriptors, where it has any, and are passed over, wherever in the image they
 * are; the others are compressed with gzip while they stream, their diffIDs checked against the config. Memory: a few MiB.
 * Throws a Failure when the archive is not the image `id`, is cut, or a filesystem layer differs from its diffID.
 */
export async function readSavedArchive(
  archive: AsyncIterable<Buffer>,
  id: Digest,
  known: KnownLayers,
  folder: string,
): Promise<BuiltImage> {
  const blobs = join(folder, 'blobs', 'sha256');
  await mkdir(blobs, { recursive: true });
  const parts = new Map<string, Buffer>();
  const layers = new Map<string, PackedLayer>();
  const links = new Map<string, string>();
  const knownIds = known.diffIds.slice(0, known.descriptors.length);
  const knownChain = chainIds(knownIds);
  for await (const entry of readTar(archive)) {
    const { name, type, linkName } = entry.header;
    if (type === 'symlink' || type === 'link') {
      // A filesystem layer that is twice in an image is a link to its first place.
      links.set(name, type === 'link' ? linkName : join(name, '..', linkName));
    } else if (type !== 'file') {
      continue;
    } else if (name !== `blobs/sha256/${hexOf(id)}` && isLayer(entry)) {
      if (!isKnown(name, parts, knownIds, knownChain)) layers.set(name, await packLayer(entry.contents(), blobs));
    } else if (entry.header.size <= largestPart) {
      parts.set(name, await readAll(entry));
    }
  }

  const wrong = (because: string) =>
    new Failure({
      doing: `reading image ${id} from the engine`,
      because,
      fix: 'run it again; if it stays, the image store of the engine is damaged',
    });
  const manifest = parts.get('manifest.json');
  if (!manifest) throw wrong('the archive that docker wrote has no manifest.json');
  const [image] = JSON.parse(manifest.toString('utf8')) as { Config: string; Layers: string[] | null }[];
  const config = image && parts.get(image.Config);
  if (!image || !config || digestOf(config) !== id)
    throw wrong(`the archive that docker wrote does not hold its config`);
  const { rootfs, os, architecture, variant } = parseImageConfig(config);
  const paths = image.Layers ?? [];
  if (paths.length !== rootfs.diff_ids.length)
    throw wrong('its config and its list of filesystem layers differ in length');

  const descriptors = rootfs.diff_ids.map((diffId, index): Descriptor => {
    const path = paths[index]!;
    const place = knownIds.indexOf(diffId);
    if (place >= 0) return known.descriptors[place]!;
    const found = layers.get(links.get(path) ?? path);
    if (!found) throw wrong(`filesystem layer ${index + 1} is not in the archive that docker wrote`);
    // docker save only warns when the files on its disk are no longer those of the diffID.
    if (found.diffId !== diffId)
      throw wrong(`filesystem layer ${index + 1} has diffID ${found.diffId}, its config says ${diffId}`);
    return found.descriptor;
  });
  const platform = variant === undefined || variant === '' ? { os, architecture } : { os, architecture, variant };
  const descriptor = await writeFolderImage(folder, { layers: descriptors, config, platform });
  return { descriptor, config: id, diffIds: rootfs.diff_ids };
}

/** `<v1 id>/layer.tar`, or a blob that is a tar: Docker 25 keeps everything below blobs/sha256 without a suffix. */
function isLayer({ header }: ReadTarEntry): boolean {
  if (header.name.endsWith('/layer.tar')) return true;
  return /^blobs\/sha256\/[0-9a-f]{64}$/.test(header.name) && header.size % 512 === 0 && header.size >= 1024;
}

/**
 * Whether a filesystem layer is a known one, as far as the archive tells before its bytes come: by the blob's name, or by
 * the v1 id of its folder, which is a digest over the chain ID and the parent's id. Not finding it costs time only: it is
 * compressed, and its diffID tells afterwards.
 */
function isKnown(
  name: string,
  parts: ReadonlyMap<string, Buffer>,
  diffIds: readonly Digest[],
  chain: readonly Digest[],
): boolean {
  const blob = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(name);
  if (blob) return diffIds.includes(`sha256:${blob[1]!}`);
  const v1Id = name.slice(0, -'/layer.tar'.length);
  const json = parts.get(`${v1Id}/json`);
  if (!json) return false;
  const { id, parent, os: _addedLater, ...rest } = JSON.parse(json.toString('utf8')) as Record<string, unknown>;
  return chain.some((chainId) => {
    const fields: Record<string, unknown> = { ...rest, layer_id: chainId };
    if (typeof parent === 'string') fields['parent'] = `sha256:${parent}`;
    // As Go writes a map: keys sorted, no spaces.
    const sorted = Object.fromEntries(Object.entries(fields).toSorted(([a], [b]) => (a < b ? -1 : 1)));
    return hexOf(digestOf(JSON.stringify(sorted))) === id;
  });
}

async function readAll(entry: ReadTarEntry): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of entry.contents()) chunks.push(chunk);
  return Buffer.concat(chunks);
}
