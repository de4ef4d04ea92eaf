import { createWriteStream } from 'node:fs';
import { mkdir, readFile, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Failure } from '../failure.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { ImageIndex } from '../oci/manifest.ts';
import type { Platform } from '../oci/platform.ts';
import { readTar } from '../tar/extract.ts';
import { readOutput, startDocker, type DockerClient } from './docker-client.ts';
import type { BuildRequest, KnownLayers, ParentImage } from './engine.ts';
import { readFolderImage } from './oci-folder.ts';

export interface NamedContexts {
  /** `--build-context` and `NAME=SOURCE` of every parent. */
  flags: string[];
  /** What the result must begin with; of an image that only the daemon had, found on the way. */
  base: KnownLayers;
}

/** Where a builder finds the parents, each pinned by digest. */
export async function namedContexts(client: DockerClient, request: BuildRequest): Promise<NamedContexts> {
  const contexts = new Map<string, string>();
  let { base } = request;
  for (const [index, parent] of request.parents.entries()) {
    if (contexts.has(parent.reference)) continue;
    const folder = join(request.workFolder, `parent-${index}`);
    const { source, descriptor } = parent;
    if (source.kind === 'registry') {
      contexts.set(parent.reference, `docker-image://${source.name}@${descriptor.digest}`);
    } else if (source.kind === 'layout') {
      contexts.set(parent.reference, await layoutContext(source.path, descriptor, folder));
    } else {
      const exported = await exportFromDaemon(client, parent, source.id, folder, request.signal);
      contexts.set(parent.reference, await layoutContext(folder, exported, `${folder}-link`));
      if (parent.reference === request.baseReference) base = await diffIdsOf(folder, exported, request.platform);
    }
  }
  for (const { name, path } of request.contexts ?? []) contexts.set(name, path);
  return { flags: [...contexts].flatMap(([reference, from]) => ['--build-context', `${reference}=${from}`]), base };
}

/** Since Docker 25 what `docker save` writes is an OCI layout: builders with a store of their own take that. */
async function exportFromDaemon(
  client: DockerClient,
  { label }: ParentImage,
  id: string,
  folder: string,
  signal: AbortSignal,
): Promise<Descriptor> {
  const doing = `taking ${label} out of the local daemon`;
  await mkdir(folder);
  const program = startDocker(client, ['save', id], signal);
  const descriptor = await readOutput(program, doing, (archive) => extractLayout(archive, folder));
  if (descriptor) return descriptor;
  const because = 'its `docker save` writes no OCI layout';
  throw new Failure({ doing, because, fix: 'use Docker 25 or newer, or put the image into a registry or a layout' });
}

async function diffIdsOf(folder: string, descriptor: Descriptor, platform: Platform): Promise<KnownLayers> {
  const { config } = await readFolderImage(folder, descriptor, platform);
  return { diffIds: config.rootfs.diff_ids, descriptors: [] };
}

/**
 * buildx wants a tag and a digest (0.33 refuses a digest alone), and splits at the first ':' and '@': a folder with such
 * a name is reached by a link in the folder in which buildx runs.
 */
async function layoutContext(folder: string, descriptor: Descriptor, linkPath: string): Promise<string> {
  let path = folder;
  if (/[:@]/.test(folder)) {
    await symlink(folder, linkPath);
    path = basename(linkPath);
  }
  return `oci-layout://${path}:parent@${descriptor.digest}`;
}

/** Returns the descriptor of the one image of the layout in the archive, undefined when there is none. */
async function extractLayout(archive: AsyncIterable<Buffer>, folder: string): Promise<Descriptor | undefined> {
  let isLayout = false;
  for await (const entry of readTar(archive)) {
    const { name, type } = entry.header;
    if (type !== 'file' || !/^(?:oci-layout|index\.json|blobs\/sha256\/[0-9a-f]{64})$/.test(name)) continue;
    if (name === 'oci-layout') isLayout = true;
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await pipeline(entry.contents(), createWriteStream(join(folder, name)));
  }
  if (!isLayout) return undefined;
  const index = JSON.parse(await readFile(join(folder, 'index.json'), 'utf8')) as ImageIndex;
  return index.manifests[0];
}
