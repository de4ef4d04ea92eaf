import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BrokenContent } from '../oci/broken-content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { ImageIndex } from '../oci/manifest.ts';
import { mediaType } from '../oci/media-type.ts';
import { parseManifest } from '../oci/parse-manifest.ts';
import { isTag } from '../oci/reference.ts';

/** OCI image spec, annotations.md: the name of a manifest in a layout; here `<image>:<tag>`. */
export const refName = 'org.opencontainers.image.ref.name';

export const emptyIndex: ImageIndex = { schemaVersion: 2, mediaType: mediaType.index, manifests: [] };

/**
 * index.json of an OCI image layout; undefined when the folder is no layout (or is not there).
 * Throws BrokenContent when it cannot be read as an index.
 */
export async function readLayoutIndex(folder: string): Promise<ImageIndex | undefined> {
  const path = join(folder, 'index.json');
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
  try {
    const parsed = parseManifest(bytes, mediaType.index);
    if (parsed.kind === 'index') return parsed.manifest;
    throw new RangeError('it is an image manifest, not an index');
  } catch (error) {
    throw new BrokenContent({
      doing: `reading ${path}`,
      because: (error as Error).message,
      fix: `move ${path} away: the blobs stay, and layers whose tags it held are built anew`,
      cause: error,
    });
  }
}

/** Reads index.json once as long as the file is the same; every write of it is a new file. */
export function cachedLayoutIndex(folder: string): () => Promise<ImageIndex | undefined> {
  let known: { identity: string; index: Promise<ImageIndex | undefined> } | undefined;
  return async () => {
    const identity = identityOf(join(folder, 'index.json'));
    if (identity === undefined) return readLayoutIndex(folder);
    if (known?.identity !== identity) {
      const reading = { identity, index: readLayoutIndex(folder) };
      known = reading;
      reading.index.catch(() => {
        if (known === reading) known = undefined;
      });
    }
    return known.index;
  };
}

/** Synchronous, as every look that a plan takes hundreds of times: a trip through the thread pool costs ten times as much. */
function identityOf(path: string): string | undefined {
  try {
    const found = statSync(path, { bigint: true });
    return `${found.dev} ${found.ino} ${found.size} ${found.mtimeNs} ${found.ctimeNs}`;
  } catch {
    return undefined;
  }
}

export function findName(index: ImageIndex, name: string): Descriptor | undefined {
  return index.manifests.findLast((entry) => entry.annotations?.[refName] === name);
}

/** The index with that name on that descriptor alone; undefined when nothing changes. Other tools' entries stay. */
export function withName(index: ImageIndex, name: string, entry: Descriptor): ImageIndex | undefined {
  const others = index.manifests.filter((each) => each.annotations?.[refName] !== name);
  const before = index.manifests.filter((each) => each.annotations?.[refName] === name);
  if (before.length === 1 && before[0]!.digest === entry.digest && before[0]!.mediaType === entry.mediaType) {
    return undefined;
  }
  const named: Descriptor = { ...entry, annotations: { ...entry.annotations, [refName]: name } };
  return { ...index, manifests: [...others, named] };
}

export function withoutName(index: ImageIndex, name: string): ImageIndex | undefined {
  const manifests = index.manifests.filter((each) => each.annotations?.[refName] !== name);
  return manifests.length === index.manifests.length ? undefined : { ...index, manifests };
}

/** `<repository>:<tag>` of an entry that has such a name. */
export function splitName(entry: Descriptor): { repository: string; tag: string } | undefined {
  const name = entry.annotations?.[refName];
  const colon = name?.lastIndexOf(':') ?? -1;
  if (name === undefined || colon <= 0) return undefined;
  const tag = name.slice(colon + 1);
  return isTag(tag) ? { repository: name.slice(0, colon), tag } : undefined;
}
