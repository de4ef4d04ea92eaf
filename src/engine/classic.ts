import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { parseDockerfile } from '../dockerfile/parse.ts';
import { Failure } from '../failure.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { parseDigest, type Digest } from '../oci/digest.ts';
import type { ImageManifest } from '../oci/manifest.ts';
import { hostPlatform, platformName } from '../oci/platform.ts';
import { buildArguments } from './build-arguments.ts';
import { checkBase } from './check-base.ts';
import { deriveDockerfile } from './derived-dockerfile.ts';
import { askDocker, readOutput, runDocker, startDocker, type DockerClient } from './docker-client.ts';
import type {
  BuildEvent,
  BuildRequest,
  BuiltImage,
  Engine,
  EngineAbilities,
  ImageToLoad,
  KnownLayers,
  ParentImage,
} from './engine.ts';
import { loadImage } from './load-archive.ts';
import { blobFile, readFolderImage } from './oci-folder.ts';
import { daemonElsewhere } from './elsewhere.ts';
import { ParentTags, parentTag } from './parent-tags.ts';
import { plainProgress } from './plain-progress.ts';
import { readSavedArchive } from './saved-archive.ts';
import { StepFailures } from './step-failure.ts';

/**
 * Docker's own builder with Docker's own image store: no named contexts, no OCI output. A parent is found by a tag in
 * the daemon that is written into a derived Dockerfile; the result leaves by `docker save`.
 */
export class ClassicEngine implements Engine {
  readonly name: string;
  readonly abilities: EngineAbilities = {
    namedContexts: false,
    ociOutput: false,
    push: false,
    rewriteTimestamp: false,
  };
  readonly #client: DockerClient;
  readonly #tags: ParentTags;

  constructor(client: DockerClient, name: string) {
    this.name = name;
    this.#client = { ...client, env: { ...client.env, DOCKER_BUILDKIT: '1', BUILDKIT_PROGRESS: 'plain' } };
    this.#tags = new ParentTags(this.#client);
  }

  async build(request: BuildRequest, onEvent: (event: BuildEvent) => void): Promise<BuiltImage> {
    const { destination, layer, signal } = request;
    if (destination.kind === 'push') {
      throw new Failure({
        doing: `building ${layer}`,
        because: 'this engine cannot push what it builds',
        fix: 'ask for a layout',
      });
    }
    const parents = new Map<string, string>();
    for (const parent of request.parents) {
      if (!parents.has(parent.reference)) parents.set(parent.reference, await this.#provide(parent, request));
    }
    const id = await this.#run(request, parents, onEvent);
    // The child of this layer finds it by this name; until then nothing else keeps it in the daemon.
    await this.#tags.tag(id, parentTag(layer, id), signal);
    const built = await this.#export(id, request.base, destination.path, signal);
    checkBase(layer, built.diffIds, request.base.diffIds);
    return built;
  }

  elsewhere(): Promise<string | undefined> {
    return daemonElsewhere(this.#client);
  }

  async close(how: 'done' | 'stopped'): Promise<void> {
    await (how === 'stopped' ? this.#tags.forget() : this.#tags.expire());
  }

  async load(image: ImageToLoad, name: string, signal: AbortSignal): Promise<void> {
    const { config } = JSON.parse(Buffer.from(image.manifest).toString('utf8')) as ImageManifest;
    if (await this.#tags.has(config.digest)) {
      await askDocker(this.#client, ['tag', config.digest, name], `naming an image ${name}`, signal);
    } else {
      await loadImage(this.#client, 'classic', image, name, signal);
    }
  }

  /** Sees to it that the daemon has the parent, and returns the tag under which its builder finds it. */
  async #provide(parent: ParentImage, request: BuildRequest): Promise<string> {
    const { source, label } = parent;
    const { signal, platform } = request;
    switch (source.kind) {
      case 'daemon': {
        const tag = parentTag(label, parseDigest(source.id));
        await this.#tags.once(tag, () => this.#tags.tag(source.id, tag, signal));
        return tag;
      }
      case 'registry':
        return this.#pull(parent, source.name, request);
      case 'layout': {
        const image = await readFolderImage(source.path, parent.descriptor, platform);
        const tag = parentTag(label, image.manifest.config.digest);
        const openBlob = async (blob: Descriptor) => createReadStream(blobFile(source.path, blob.digest));
        await this.#tags.once(tag, async () => {
          await this.#tags.willMake(tag);
          await this.load({ descriptor: image.descriptor, manifest: image.bytes, openBlob }, tag, signal);
        });
        return tag;
      }
    }
  }

  async #pull(parent: ParentImage, repository: string, { platform, signal }: BuildRequest): Promise<string> {
    const doing = `pulling ${parent.label} from ${repository}`;
    const pinned = `${repository}@${parent.descriptor.digest}`;
    const format = ['image', 'inspect', '--format', '{{.Id}}', pinned];
    const known = await runDocker(this.#client, format, { signal });
    if (known.exitCode !== 0) {
      const args = ['pull', '--quiet', '--platform', platformName(platform), pinned];
      await askDocker(this.#client, args, doing, signal);
    }
    const id = parseDigest(await askDocker(this.#client, format, doing, signal));
    const tag = parentTag(parent.label, id);
    await this.#tags.once(tag, () => this.#tags.tag(id, tag, signal));
    return tag;
  }

  async #run(
    request: BuildRequest,
    parents: ReadonlyMap<string, string>,
    onEvent: (event: BuildEvent) => void,
  ): Promise<Digest> {
    const source = await readFile(request.dockerfile, 'utf8');
    const dockerfile = parseDockerfile(source, request.dockerfileName, request.placeOf);
    const folder = join(request.workFolder, 'dockerfile');
    await mkdir(folder, { recursive: true });
    const derived = join(folder, 'Dockerfile');
    const { target, args, platform } = request;
    const options = { args, platform, buildPlatform: hostPlatform(), ...(target === undefined ? {} : { target }) };
    await writeFile(derived, deriveDockerfile(source, dockerfile, options, parents));
    await copyFile(`${request.dockerfile}.dockerignore`, `${derived}.dockerignore`).catch(missingIsFine);

    const idFile = join(request.workFolder, 'image-id');
    const failures = new StepFailures(request.layer, dockerfile);
    const progress = plainProgress(
      (event) => {
        failures.onEvent(event);
        onEvent(event);
      },
      (line) => failures.onOther(line),
    );
    // What people read has the names that they wrote.
    const onLine = (line: string) => {
      let shown = line;
      for (const [reference, tag] of parents) shown = shown.replaceAll(tag, reference);
      progress(shown);
    };
    const flags = [
      '--progress=plain',
      '--iidfile',
      idFile,
      '--file',
      derived,
      ...buildArguments(request, this.#client.env),
    ];
    const { exitCode } = await runDocker(this.#client, ['build', ...flags, request.context], {
      signal: request.signal,
      onStderrLine: onLine,
      // Newer clients write progress there when the output is no terminal.
      onStdoutLine: () => {},
    });
    if (exitCode !== 0) throw failures.failure();
    return parseDigest((await readFile(idFile, 'utf8')).trim());
  }

  async #export(id: Digest, known: KnownLayers, folder: string, signal: AbortSignal): Promise<BuiltImage> {
    const program = startDocker(this.#client, ['save', id], signal);
    return readOutput(program, `saving image ${id} from the engine`, (archive) =>
      readSavedArchive(archive, id, known, folder),
    );
  }
}

function missingIsFine(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
