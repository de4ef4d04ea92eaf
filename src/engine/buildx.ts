import { link, mkdir, readFile, symlink } from 'node:fs/promises';
import { createWriteStream } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { parseDockerfile } from '../dockerfile/parse.ts';
import { Failure } from '../failure.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { parseDigest } from '../oci/digest.ts';
import type { ImageIndex } from '../oci/manifest.ts';
import { readTar } from '../tar/extract.ts';
import { buildArguments, csvField } from './build-arguments.ts';
import { checkBase } from './check-base.ts';
import { readOutput, runDocker, startDocker, type DockerClient } from './docker-client.ts';
import type {
  BuildEvent,
  BuildRequest,
  BuiltImage,
  Engine,
  EngineAbilities,
  ImageToLoad,
  ParentImage,
} from './engine.ts';
import { beginsWith } from './image-config.ts';
import { loadImage } from './load-archive.ts';
import { blobFile, readBuiltFolder } from './oci-folder.ts';
import { plainProgress } from './plain-progress.ts';
import { rawProgress } from './raw-progress.ts';
import { StepFailures } from './step-failure.ts';

export interface BuildxOptions {
  /** For people. */
  name: string;
  /** `--builder`; the client's own choice where absent. */
  builder?: string;
  /** By digest, without a tag. */
  push: boolean;
  rewriteTimestamp: boolean;
  /** buildx 0.13 and newer. */
  rawProgress: boolean;
  /** The kind of store of the daemon behind the client; undefined where no daemon answers. */
  daemon: 'classic' | 'containerd' | undefined;
}

/**
 * `docker buildx build`: parents are named contexts pinned by digest, the result is an OCI layout or goes straight into a
 * registry. Any driver but `docker` with Docker's own image store.
 */
export class BuildxEngine implements Engine {
  readonly name: string;
  readonly abilities: EngineAbilities;
  readonly #client: DockerClient;
  readonly #options: BuildxOptions;
  readonly load?: (image: ImageToLoad, name: string, signal: AbortSignal) => Promise<void>;

  constructor(client: DockerClient, options: BuildxOptions) {
    this.name = options.name;
    this.abilities = {
      namedContexts: true,
      ociOutput: true,
      push: options.push,
      rewriteTimestamp: options.rewriteTimestamp,
    };
    this.#client = client;
    this.#options = options;
    const { daemon } = options;
    if (daemon) this.load = (image, name, signal) => loadImage(client, daemon, image, name, signal);
  }

  async build(request: BuildRequest, onEvent: (event: BuildEvent) => void): Promise<BuiltImage> {
    const contexts = await this.#contexts(request);
    if (request.destination.kind === 'layout') await lendBlobs(request, request.destination.path);
    const built = await this.#run(request, contexts, this.abilities.rewriteTimestamp, onEvent);
    // Some versions of BuildKit rewrite the filesystem layers of the base too (moby/buildkit#4614).
    if (!this.abilities.rewriteTimestamp || beginsWith(built.diffIds, request.base.diffIds)) {
      checkBase(request.layer, built.diffIds, request.base.diffIds);
      return built;
    }
    const again = await this.#run(request, contexts, false, onEvent);
    checkBase(request.layer, again.diffIds, request.base.diffIds);
    return again;
  }

  async close(): Promise<void> {}

  /** `NAME=SOURCE` of every parent. */
  async #contexts(request: BuildRequest): Promise<string[]> {
    const contexts = new Map<string, string>();
    for (const [index, parent] of request.parents.entries()) {
      if (contexts.has(parent.reference)) continue;
      contexts.set(
        parent.reference,
        await this.#contextOf(parent, join(request.workFolder, `parent-${index}`), request.signal),
      );
    }
    return [...contexts].flatMap(([reference, source]) => ['--build-context', `${reference}=${source}`]);
  }

  async #contextOf(parent: ParentImage, work: string, signal: AbortSignal): Promise<string> {
    const { source, descriptor } = parent;
    switch (source.kind) {
      case 'registry':
        return `docker-image://${source.name}@${descriptor.digest}`;
      case 'layout':
        return layoutContext(source.path, descriptor, work);
      case 'daemon':
        await mkdir(work);
        return layoutContext(work, await this.#exportFromDaemon(source.id, parent.label, work, signal), `${work}-link`);
    }
  }

  /** Since Docker 25 what `docker save` writes is an OCI layout: builders with a store of their own take that. */
  async #exportFromDaemon(id: string, label: string, folder: string, signal: AbortSignal): Promise<Descriptor> {
    const doing = `taking ${label} out of the local daemon`;
    const program = startDocker(this.#client, ['save', id], signal);
    const descriptor = await readOutput(program, doing, (archive) => extractLayout(archive, folder));
    if (descriptor) return descriptor;
    const because = 'its `docker save` writes no OCI layout';
    throw new Failure({ doing, because, fix: 'use Docker 25 or newer, or put the image into a registry or a layout' });
  }

  async #run(
    request: BuildRequest,
    contexts: readonly string[],
    rewrite: boolean,
    onEvent: (event: BuildEvent) => void,
  ): Promise<BuiltImage> {
    const dockerfile = parseDockerfile(await readFile(request.dockerfile, 'utf8'), request.dockerfileName);
    const failures = new StepFailures(request.layer, dockerfile);
    const tell = (event: BuildEvent) => {
      failures.onEvent(event);
      onEvent(event);
    };
    const raw = this.#options.rawProgress;
    const metadata = join(request.workFolder, 'metadata.json');
    const { builder } = this.#options;
    const epoch = String(request.sourceDateEpoch);
    const { exitCode } = await runDocker(
      this.#client,
      [
        'buildx',
        'build',
        ...(builder === undefined ? [] : ['--builder', builder]),
        `--progress=${raw ? 'rawjson' : 'plain'}`,
        '--metadata-file',
        metadata,
        '--provenance=false',
        '--sbom=false',
        '--file',
        request.dockerfile,
        ...contexts,
        ...buildArguments(request, this.#client.env),
        ...('SOURCE_DATE_EPOCH' in request.args ? [] : ['--build-arg', `SOURCE_DATE_EPOCH=${epoch}`]),
        '--output',
        outputOf(request, rewrite),
        request.context,
      ],
      {
        cwd: request.workFolder,
        signal: request.signal,
        onStderrLine: (raw ? rawProgress : plainProgress)(tell, (line) => failures.onOther(line)),
        onStdoutLine: () => {},
      },
    );
    if (exitCode !== 0) throw failures.failure();
    const { destination } = request;
    if (destination.kind === 'layout') {
      const { descriptor, config, manifest } = await readBuiltFolder(destination.path, request.platform);
      return {
        descriptor: { ...descriptor, platform: { ...request.platform } },
        config: manifest.config.digest,
        diffIds: config.rootfs.diff_ids,
      };
    }
    const descriptor = await pushedDescriptor(metadata);
    return { descriptor, ...(await destination.readBack(descriptor)) };
  }
}

/**
 * Gives the new layout the filesystem layers that it begins with under second names, where they lie on the same disk:
 * BuildKit then does not send them. A layout's blobs are never written again.
 */
async function lendBlobs({ base, parents }: BuildRequest, layout: string): Promise<void> {
  const folder = join(layout, 'blobs', 'sha256');
  await mkdir(folder, { recursive: true });
  for (const { source } of parents) {
    if (source.kind !== 'layout') continue;
    for (const { digest } of base.descriptors) {
      // Another disk, or another parent's: it is sent.
      await link(blobFile(source.path, digest), blobFile(layout, digest)).catch(() => {});
    }
  }
}

function outputOf({ destination }: BuildRequest, rewrite: boolean): string {
  const fields =
    destination.kind === 'layout'
      ? ['type=oci', `dest=${destination.path}`, 'tar=false']
      : [
          'type=image',
          `name=${destination.repository}`,
          'push-by-digest=true',
          'push=true',
          'store=false',
          'unpack=false',
        ];
  // OCI types throughout: the same manifest whichever image was the base.
  fields.push('oci-mediatypes=true', 'compression=gzip');
  if (rewrite) fields.push('rewrite-timestamp=true');
  return fields.map(csvField).join(',');
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

async function pushedDescriptor(metadata: string): Promise<Descriptor> {
  const values = JSON.parse(await readFile(metadata, 'utf8')) as Record<string, unknown>;
  const { mediaType, digest, size, platform } = values['containerimage.descriptor'] as Descriptor;
  const descriptor: Descriptor = { mediaType, digest: parseDigest(digest), size };
  return platform === undefined ? descriptor : { ...descriptor, platform };
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
