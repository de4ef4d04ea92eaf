import type { Readable } from 'node:stream';
import type { Digest } from '../oci/digest.ts';
import { dockerHost, type DockerHost } from './docker-host.ts';
import { callEngine, EngineError, expectOk, openRequest, readEnd, type CallOptions } from './docker-request.ts';

/** What `GET /images/NAME/json` tells (Docker Engine API). */
export interface InspectedImage {
  /** The config digest in the classic store and in podman's; the digest of the manifest or index in the containerd store. */
  id: string;
  diffIds: Digest[];
  tags: string[];
  os: string;
  architecture: string;
  variant?: string;
}

export interface EngineInfo {
  /** Folder in which the engine keeps everything, on the engine's machine. */
  dataRoot: string;
  /**
   * `classic`: filesystem layers by chain ID below the storage driver; `containerd`: blobs by digest; `podman`, behind Docker's
   * API: filesystem layers by diffID, whatever is below them.
   */
  store: 'classic' | 'containerd' | 'podman';
  /** For people. */
  version: string;
}

/** The Engine API of one Docker: the part that moves images. Throws a Failure for everything that the engine refuses. */
export interface DockerEngine {
  /** For messages: `unix:///var/run/docker.sock`. */
  readonly address: string;
  info(): Promise<EngineInfo>;
  /** undefined when the engine has no such image. */
  inspect(image: string, signal?: AbortSignal): Promise<InspectedImage | undefined>;
  /** IDs of every image. */
  list(): Promise<string[]>;
  /** What `docker save` writes. */
  save(image: string, signal?: AbortSignal): Promise<Readable>;
  /** Sends an archive to `docker load`. Resolves to its messages; does not mean that the image is complete. */
  load(archive: AsyncIterable<Buffer>, signal?: AbortSignal): Promise<string[]>;
  tag(image: string, repository: string, tag: string): Promise<void>;
  /** By tag or ID; a missing one is no error. */
  removeImage(image: string): Promise<void>;
  /** Creates a container and removes it again: proof that the engine can run the image. Nothing is started. */
  tryContainer(image: string): Promise<void>;
}

/** The engine that DOCKER_HOST names, as the docker client reads it: unix://, tcp:// (with DOCKER_TLS_VERIFY). */
export function connectEngine(environment: NodeJS.ProcessEnv = process.env): DockerEngine {
  const host = dockerHost(environment);
  const call = (method: string, path: string, options?: CallOptions) => callEngine(host, method, path, options);
  return {
    address: host.address,
    async info() {
      const value = (await call('GET', '/info')) as {
        DockerRootDir?: string;
        DriverStatus?: [string, string][] | null;
        ServerVersion?: string;
      };
      const containerd = (value.DriverStatus ?? []).some(
        ([key, text]) => key === 'driver-type' && text.startsWith('io.containerd.snapshotter'),
      );
      const { Components } = (await call('GET', '/version')) as { Components?: { Name: string }[] };
      const podman = Components?.some(({ Name }) => Name === 'Podman Engine') ?? false;
      return {
        dataRoot: value.DockerRootDir ?? '',
        store: podman ? 'podman' : containerd ? 'containerd' : 'classic',
        version: value.ServerVersion ?? 'unknown',
      };
    },
    async inspect(image, signal) {
      const value = (await call('GET', `/images/${encodeURIComponent(image)}/json`, { signal }).catch(notFound)) as
        | {
            Id: string;
            RootFS?: { Layers?: Digest[] | null };
            RepoTags?: string[] | null;
            Os?: string;
            Architecture?: string;
            Variant?: string;
          }
        | undefined;
      if (value === undefined) return undefined;
      const inspected: InspectedImage = {
        id: value.Id,
        diffIds: value.RootFS?.Layers ?? [],
        tags: value.RepoTags ?? [],
        os: value.Os ?? 'linux',
        architecture: value.Architecture ?? '',
      };
      if (value.Variant) inspected.variant = value.Variant;
      return inspected;
    },
    async list() {
      const value = (await call('GET', '/images/json?all=1')) as { Id: string }[];
      return [...new Set(value.map((each) => each.Id))];
    },
    async save(image, signal) {
      const response = await openRequest(host, 'GET', `/images/${encodeURIComponent(image)}/get`, { signal });
      await expectOk(host, response, `saving ${image}`);
      return response;
    },
    async load(archive, signal) {
      const response = await openRequest(host, 'POST', '/images/load?quiet=1', { signal, archive });
      await expectOk(host, response, 'loading an image');
      return readLoadMessages(await readEnd(host, response, 1024 * 1024), host);
    },
    async tag(image, repository, tag) {
      const query = new URLSearchParams({ repo: repository, tag });
      await call('POST', `/images/${encodeURIComponent(image)}/tag?${query}`);
    },
    async removeImage(image) {
      await call('DELETE', `/images/${encodeURIComponent(image)}?noprune=1`).catch(notFound);
    },
    async tryContainer(image) {
      // An image without a command still has to prove itself: some command must be named, it is never run.
      const created = (await call('POST', '/containers/create', {
        body: { Image: image, Cmd: ['/imgbuild-probe'] },
      })) as {
        Id: string;
      };
      await call('DELETE', `/containers/${created.Id}?force=1&v=1`);
    },
  };
}

function notFound(error: unknown): undefined {
  if (error instanceof EngineError && error.status === 404) return undefined;
  throw error;
}

/** The answer is a sequence of JSON documents, one a line: streams and errors. */
function readLoadMessages(bytes: Buffer, host: DockerHost): string[] {
  const messages: string[] = [];
  for (const line of bytes.toString('utf8').split(/\r?\n/)) {
    if (line.trim() === '') continue;
    let value: { stream?: string; error?: string; errorDetail?: { message?: string } };
    try {
      value = JSON.parse(line) as typeof value;
    } catch {
      messages.push(line.trim());
      continue;
    }
    const error = value.error ?? value.errorDetail?.message;
    if (error !== undefined) throw new EngineError(200, `loading an image (Docker at ${host.address})`, error);
    if (value.stream !== undefined) messages.push(value.stream.trim());
  }
  return messages;
}
