import { readFileSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Failure } from '../failure.ts';
import type { Digest } from '../oci/digest.ts';

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

interface Target {
  address: string;
  secure: boolean;
  options: RequestOptions;
}

const defaultSocket = '/var/run/docker.sock';
/** Bytes; what an engine with thousands of images lists. */
const largestAnswer = 64 * 1024 * 1024;

/** The engine that DOCKER_HOST names, as the docker client reads it: unix://, tcp:// (with DOCKER_TLS_VERIFY). */
export function connectEngine(environment: NodeJS.ProcessEnv = process.env): DockerEngine {
  const target = targetOf(environment);
  const call = (method: string, path: string, options?: CallOptions) => callEngine(target, method, path, options);
  return {
    address: target.address,
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
      const response = await open(target, 'GET', `/images/${encodeURIComponent(image)}/get`, { signal });
      await expectOk(target, response, `saving ${image}`);
      return response;
    },
    async load(archive, signal) {
      const response = await open(target, 'POST', '/images/load?quiet=1', { signal, archive });
      await expectOk(target, response, 'loading an image');
      return readLoadMessages(await readEnd(target, response, 1024 * 1024), target);
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

class EngineError extends Failure {
  readonly status: number;

  constructor(status: number, doing: string, because: string) {
    super({ doing, because, fix: 'see what the engine says above; `imgbuild doctor` checks it' });
    this.status = status;
  }
}

function notFound(error: unknown): undefined {
  if (error instanceof EngineError && error.status === 404) return undefined;
  throw error;
}

function targetOf(environment: NodeJS.ProcessEnv): Target {
  const host = environment['DOCKER_HOST'] || `unix://${defaultSocket}`;
  if (host.startsWith('unix://')) {
    return { address: host, secure: false, options: { socketPath: host.slice('unix://'.length) } };
  }
  const match = /^(tcp|http|https):\/\/(\[[^\]]+\]|[^:/]+)(?::([0-9]+))?\/?$/.exec(host);
  if (!match) {
    throw new Failure({
      doing: `reaching Docker at ${host.replace(/\/\/[^@/]*@/, '//…@')}`,
      because: 'only unix:// and tcp:// addresses can be reached',
      fix: 'set DOCKER_HOST to one of these; for ssh, forward the socket: `ssh -L /tmp/docker.sock:/var/run/docker.sock HOST`',
      kind: 'input',
    });
  }
  const secure = match[1] === 'https' || Boolean(environment['DOCKER_TLS_VERIFY']);
  const options: RequestOptions = { host: match[2]!, port: Number(match[3] ?? (secure ? 2376 : 2375)) };
  if (!secure) return { address: host, secure, options };
  const folder = environment['DOCKER_CERT_PATH'] ?? join(homedir(), '.docker');
  const read = (name: string) => {
    try {
      return readFileSync(join(folder, name));
    } catch (error) {
      throw new Failure({
        doing: `reaching Docker at ${host}`,
        because: `its TLS needs ${join(folder, name)}, which cannot be read: ${(error as Error).message}`,
        fix: 'put ca.pem, cert.pem and key.pem there, or set DOCKER_CERT_PATH to the folder that has them',
        kind: 'input',
      });
    }
  };
  return {
    address: host,
    secure,
    options: { ...options, ca: read('ca.pem'), cert: read('cert.pem'), key: read('key.pem') } as RequestOptions,
  };
}

async function open(
  target: Target,
  method: string,
  path: string,
  options: { body?: Buffer; archive?: AsyncIterable<Buffer>; signal?: AbortSignal | undefined } = {},
): Promise<IncomingMessage> {
  const headers: Record<string, string | number> = { host: 'docker' };
  if (options.body) {
    headers['content-type'] = 'application/json';
    headers['content-length'] = options.body.length;
  } else if (options.archive) {
    headers['content-type'] = 'application/x-tar';
    headers['transfer-encoding'] = 'chunked';
  }
  const send = target.secure ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const request = send({
      ...target.options,
      method,
      path,
      headers,
      agent: false,
      ...(options.signal ? { signal: options.signal } : {}),
    });
    let answered = false;
    const fail = (error: Error) => {
      if (answered) return;
      if (options.signal?.aborted) return reject(options.signal.reason);
      reject(error instanceof Failure ? error : unreachable(target, error));
    };
    request.on('error', fail);
    request.on('response', (response) => {
      answered = true;
      resolve(response);
    });
    if (options.archive) {
      pipeline(Readable.from(options.archive, { objectMode: false }), request).catch((error: Error) => {
        request.destroy();
        fail(error);
      });
    } else {
      request.end(options.body);
    }
  });
}

interface CallOptions {
  /** Sent as JSON. */
  body?: unknown;
  signal?: AbortSignal | undefined;
}

async function callEngine(
  target: Target,
  method: string,
  path: string,
  { body, signal }: CallOptions = {},
): Promise<unknown> {
  const response = await open(target, method, path, {
    signal,
    ...(body === undefined ? {} : { body: Buffer.from(JSON.stringify(body)) }),
  });
  await expectOk(target, response, `${method} ${path.replace(/\?.*/s, '')}`);
  // podman ends empty answers with a line.
  const text = (await readEnd(target, response, largestAnswer)).toString('utf8').trim();
  try {
    return text === '' ? undefined : (JSON.parse(text) as unknown);
  } catch {
    throw unreachable(target, new Error('what answers there is no Docker: it does not speak JSON'));
  }
}

async function expectOk(target: Target, response: IncomingMessage, doing: string): Promise<void> {
  const status = response.statusCode ?? 0;
  if (status >= 200 && status < 300) return;
  const bytes = await readEnd(target, response, 64 * 1024);
  let message = bytes.toString('utf8').trim();
  try {
    message = (JSON.parse(message) as { message?: string }).message ?? message;
  } catch {
    // Not JSON: said as it came.
  }
  throw new EngineError(status, `${doing} (Docker at ${target.address})`, message || `it answered ${status}`);
}

/** An answer, or the last `limit` bytes of a longer one: what went wrong stands there. */
async function readEnd(target: Target, response: IncomingMessage, limit: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      parts.push(chunk);
      size += chunk.length;
      while (size - parts[0]!.length >= limit) size -= parts.shift()!.length;
    }
  } catch (error) {
    throw unreachable(target, error as Error);
  }
  return Buffer.concat(parts);
}

/** The answer is a sequence of JSON documents, one a line: streams and errors. */
function readLoadMessages(bytes: Buffer, target: Target): string[] {
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
    if (error !== undefined) throw new EngineError(200, `loading an image (Docker at ${target.address})`, error);
    if (value.stream !== undefined) messages.push(value.stream.trim());
  }
  return messages;
}

function unreachable(target: Target, error: NodeJS.ErrnoException): Failure {
  const reasons: Record<string, string> = {
    ENOENT: 'there is no such socket: Docker is not installed or not running',
    ECONNREFUSED: 'nothing listens there: Docker is not running',
    ECONNRESET: 'it broke off in the middle of an answer',
    EACCES: 'this user may not use the socket',
  };
  return new Failure({
    doing: `reaching Docker at ${target.address}`,
    because: reasons[error.code ?? ''] ?? error.message,
    fix: 'start Docker, or set DOCKER_HOST to the one that is meant',
    cause: error,
  });
}
