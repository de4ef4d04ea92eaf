import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Failure } from '../failure.ts';
import type { DockerHost } from './docker-host.ts';

/** Bytes; what an engine with thousands of images lists. */
const largestAnswer = 64 * 1024 * 1024;

/** A refusal of the engine, with its HTTP status. */
export class EngineError extends Failure {
  readonly status: number;

  constructor(status: number, doing: string, because: string) {
    super({ doing, because, fix: 'see what the engine says above; `imgbuild doctor` checks it' });
    this.status = status;
  }
}

/** Sends a request; resolves to the answer's head, whatever its status. Throws a Failure where the engine cannot be reached. */
export async function openRequest(
  host: DockerHost,
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
  const send = host.secure ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const request = send({
      ...host.options,
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
      reject(error instanceof Failure ? error : unreachable(host, error));
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

export interface CallOptions {
  /** Sent as JSON. */
  body?: unknown;
  signal?: AbortSignal | undefined;
}

/** The JSON that the engine answers; undefined for an empty answer. Throws an EngineError for a refusal. */
export async function callEngine(
  host: DockerHost,
  method: string,
  path: string,
  { body, signal }: CallOptions = {},
): Promise<unknown> {
  const response = await openRequest(host, method, path, {
    signal,
    ...(body === undefined ? {} : { body: Buffer.from(JSON.stringify(body)) }),
  });
  await expectOk(host, response, `${method} ${path.replace(/\?.*/s, '')}`);
  // podman ends empty answers with a line.
  const text = (await readEnd(host, response, largestAnswer)).toString('utf8').trim();
  try {
    return text === '' ? undefined : (JSON.parse(text) as unknown);
  } catch {
    throw unreachable(host, new Error('what answers there is no Docker: it does not speak JSON'));
  }
}

/** Throws an EngineError, in the engine's words, for every status but success. */
export async function expectOk(host: DockerHost, response: IncomingMessage, doing: string): Promise<void> {
  const status = response.statusCode ?? 0;
  if (status >= 200 && status < 300) return;
  const bytes = await readEnd(host, response, 64 * 1024);
  let message = bytes.toString('utf8').trim();
  try {
    message = (JSON.parse(message) as { message?: string }).message ?? message;
  } catch {
    // Not JSON: said as it came.
  }
  throw new EngineError(status, `${doing} (Docker at ${host.address})`, message || `it answered ${status}`);
}

/** An answer, or the last `limit` bytes of a longer one: what went wrong stands there. */
export async function readEnd(host: DockerHost, response: IncomingMessage, limit: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      parts.push(chunk);
      size += chunk.length;
      while (size - parts[0]!.length >= limit) size -= parts.shift()!.length;
    }
  } catch (error) {
    throw unreachable(host, error as Error);
  }
  return Buffer.concat(parts);
}

function unreachable(host: DockerHost, error: NodeJS.ErrnoException): Failure {
  const reasons: Record<string, string> = {
    ENOENT: 'there is no such socket: Docker is not installed or not running',
    ECONNREFUSED: 'nothing listens there: Docker is not running',
    ECONNRESET: 'it broke off in the middle of an answer',
    EACCES: 'this user may not use the socket',
  };
  return new Failure({
    doing: `reaching Docker at ${host.address}`,
    because: reasons[error.code ?? ''] ?? error.message,
    fix: 'start Docker, or set DOCKER_HOST to the one that is meant',
    cause: error,
  });
}
