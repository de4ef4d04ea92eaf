import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseDockerfile } from '../dockerfile/parse.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { parseDigest } from '../oci/digest.ts';
import { buildArguments, csvField } from './build-arguments.ts';
import { checkBase } from './check-base.ts';
import { runDocker, type DockerClient } from './docker-client.ts';
import type {
  BuildEvent,
  BuildRequest,
  BuiltImage,
  Engine,
  EngineAbilities,
  ImageToLoad,
  KnownLayers,
} from './engine.ts';
import { beginsWith } from './image-config.ts';
import { loadImage } from './load-archive.ts';
import { namedContexts } from './named-contexts.ts';
import { packLayout, standIn } from './pack-layout.ts';
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
  /** `rewrite-timestamp` where it pushes. */
  rewriteTimestamp: boolean;
  /** buildx 0.13 and newer. */
  rawProgress: boolean;
  /** The kind of store of the daemon behind the client; undefined where no daemon answers. */
  daemon: 'classic' | 'containerd' | undefined;
  elsewhere(): Promise<string | undefined>;
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
      // Into a folder we do it ourselves.
      rewriteTimestamp: options.rewriteTimestamp || !options.push,
    };
    this.#client = client;
    this.#options = options;
    const { daemon } = options;
    if (daemon) this.load = (image, name, signal) => loadImage(client, daemon, image, name, signal);
  }

  async build(request: BuildRequest, onEvent: (event: BuildEvent) => void): Promise<BuiltImage> {
    const { flags, base } = await namedContexts(this.#client, request);
    const { destination } = request;
    if (destination.kind === 'push') return this.#push(request, destination, flags, base, onEvent);
    const { path } = destination;
    const placeholders = await standIn(path, base);
    await this.#run(request, flags, outputInto(path), onEvent);
    await placeholders.remove();
    const packing = `packing the filesystem layers of ${request.layer}`;
    onEvent({ kind: 'step-started', id: packing, name: packing, cached: false });
    const { layer, platform, sourceDateEpoch, signal } = request;
    const built = await packLayout({ folder: path, layer, platform, base, sourceDateEpoch, signal });
    onEvent({ kind: 'step-done', id: packing, cached: false });
    return built;
  }

  async #push(
    request: BuildRequest,
    { repository, readBack }: BuildRequest['destination'] & { kind: 'push' },
    contexts: readonly string[],
    base: KnownLayers,
    onEvent: (event: BuildEvent) => void,
  ): Promise<BuiltImage> {
    const pushed = async (rewrite: boolean): Promise<BuiltImage> => {
      const metadata = await this.#run(request, contexts, outputTo(repository, rewrite), onEvent);
      const descriptor = await pushedDescriptor(metadata);
      return { descriptor, ...(await readBack(descriptor)) };
    };
    const rewrite = this.#options.rewriteTimestamp;
    let built = await pushed(rewrite);
    // Some versions of BuildKit rewrite the filesystem layers of the base too (moby/buildkit#4614).
    if (rewrite && !beginsWith(built.diffIds, base.diffIds)) built = await pushed(false);
    checkBase(request.layer, built.diffIds, base.diffIds);
    return built;
  }

  elsewhere(): Promise<string | undefined> {
    return this.#options.elsewhere();
  }

  async close(): Promise<void> {}

  /** Returns the path of the metadata file. */
  async #run(
    request: BuildRequest,
    contexts: readonly string[],
    output: string,
    onEvent: (event: BuildEvent) => void,
  ): Promise<string> {
    const source = await readFile(request.dockerfile, 'utf8');
    const dockerfile = parseDockerfile(source, request.dockerfileName, request.placeOf);
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
        output,
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
    return metadata;
  }
}

// OCI types throughout: the same manifest whichever image was the base.
const outputInto = (folder: string) =>
  ['type=oci', `dest=${folder}`, 'tar=false', 'oci-mediatypes=true', 'compression=zstd', 'compression-level=0']
    .map(csvField)
    .join(',');

function outputTo(repository: string, rewrite: boolean): string {
  const fields = [
    'type=image',
    `name=${repository}`,
    'push-by-digest=true',
    'push=true',
    'store=false',
    'unpack=false',
  ];
  fields.push('oci-mediatypes=true', 'compression=gzip');
  if (rewrite) fields.push('rewrite-timestamp=true');
  return fields.map(csvField).join(',');
}

async function pushedDescriptor(metadata: string): Promise<Descriptor> {
  const values = JSON.parse(await readFile(metadata, 'utf8')) as Record<string, unknown>;
  const { mediaType, digest, size, platform } = values['containerimage.descriptor'] as Descriptor;
  const descriptor: Descriptor = { mediaType, digest: parseDigest(digest), size };
  return platform === undefined ? descriptor : { ...descriptor, platform };
}
