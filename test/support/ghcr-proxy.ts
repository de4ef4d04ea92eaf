import { randomBytes } from 'node:crypto';
import { createServer, request as send, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ProxiedRequest {
  method: string;
  path: string;
  status: number;
  /** Bytes of the bodies: of the request and of the answer. */
  sent: number;
  received: number;
}

export interface GhcrProxy {
  /** `localhost:PORT`. */
  host: string;
  log: ProxiedRequest[];
  /** May read and write: a job with `packages: write`. */
  writer: { user: string; password: string };
  /** May only read: the token of a pull request from a fork. */
  reader: { user: string; password: string };
  /** Packages that are there and that only the two may read; all others are public once they are there. */
  private: Set<string>;
  /** Packages that belong to another repository: nobody here may write them. */
  unlinked: Set<string>;
  close(): Promise<void>;
}

const mostPatch = 4 * 1024 * 1024;

/**
 * GitHub's registry as far as it differs from others, before a real registry: more than 4 MiB in a PATCH is 416; there
 * is no referrers API and no catalog; what is absent or private is refused, not missing; a manifest cannot be deleted;
 * write rights are told when something is written, not when the token is given.
 */
export async function startGhcrProxy(upstream: string): Promise<GhcrProxy> {
  const tokens = new Map<string, 'writer' | 'reader' | 'nobody'>();
  const written = new Set<string>();
  const server = createServer((request, response) => void serve(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `localhost:${(server.address() as AddressInfo).port}`;
  const proxy: GhcrProxy = {
    host,
    log: [],
    writer: { user: 'acme', password: randomBytes(8).toString('hex') },
    reader: { user: 'stranger', password: randomBytes(8).toString('hex') },
    private: new Set(),
    unlinked: new Set(),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return proxy;

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const entry: ProxiedRequest = { method: request.method!, path: request.url!, status: 0, sent: 0, received: 0 };
    proxy.log.push(entry);
    response.on('finish', () => (entry.status = response.statusCode));
    const refusal = await refuse(request);
    if (refusal === undefined) return forward(request, response, entry);
    request.resume();
    response.writeHead(refusal.status, { 'content-type': 'application/json', ...refusal.headers });
    response.end(refusal.body);
  }

  async function refuse(
    request: IncomingMessage,
  ): Promise<{ status: number; headers?: object; body: string } | undefined> {
    const { method = 'GET', headers } = request;
    const url = new URL(request.url!, `http://${host}`);
    const error = (status: number, code: string, message: string, extra: object = {}) => ({
      status,
      headers: extra,
      body: JSON.stringify({ errors: [{ code, message }] }),
    });
    if (url.pathname === '/token') {
      const who = whoIs(headers.authorization);
      if (who === undefined) return error(403, 'DENIED', 'denied');
      const token = randomBytes(16).toString('base64');
      tokens.set(token, who);
      return { status: 200, body: JSON.stringify({ token }) };
    }
    const repository = repositoryIn(url.pathname);
    const who = tokens.get(headers.authorization?.replace(/^Bearer /, '') ?? '');
    if (who === undefined) {
      const scope = repository === undefined ? 'repository:user/image:pull' : `repository:${repository}:pull`;
      const challenge = `Bearer realm="http://${host}/token",service="${host}",scope="${scope}"`;
      return error(401, 'UNAUTHORIZED', 'authentication required', { 'www-authenticate': challenge });
    }
    if (repository === undefined) return url.pathname === '/v2/' ? undefined : error(404, 'UNSUPPORTED', 'not found');
    if (url.pathname.includes('/referrers/')) return error(404, 'UNSUPPORTED', 'not found');
    if (method === 'GET' || method === 'HEAD') {
      const visible = who === 'nobody' ? !proxy.private.has(repository) : true;
      if (visible && (url.pathname.includes('/uploads/') || (await exists(repository)))) return undefined;
      return error(403, 'DENIED', 'requested access to the resource is denied');
    }
    if (who !== 'writer' || proxy.unlinked.has(repository)) {
      return error(403, 'DENIED', 'permission_denied: write_package');
    }
    if (method === 'DELETE' && url.pathname.includes('/manifests/')) return error(405, 'UNSUPPORTED', 'unsupported');
    if (method === 'PATCH' && Number(headers['content-length'] ?? Infinity) > mostPatch) {
      return error(416, 'BLOB_UPLOAD_INVALID', 'blob upload invalid');
    }
    return undefined;
  }

  function whoIs(authorization: string | undefined): 'writer' | 'reader' | 'nobody' | undefined {
    if (authorization === undefined) return 'nobody';
    const basic = (login: { user: string; password: string }) =>
      `Basic ${Buffer.from(`${login.user}:${login.password}`).toString('base64')}`;
    if (authorization === basic(proxy.writer)) return 'writer';
    return authorization === basic(proxy.reader) ? 'reader' : undefined;
  }

  /** A package is there once something was written to it. */
  async function exists(repository: string): Promise<boolean> {
    if (written.has(repository)) return true;
    const answer = await fetch(`http://${upstream}/v2/${repository}/tags/list`);
    await answer.arrayBuffer();
    return answer.ok;
  }

  function forward(request: IncomingMessage, response: ServerResponse, entry: ProxiedRequest): void {
    const [hostname, port] = upstream.split(':');
    const { authorization: _kept, ...headers } = request.headers;
    // Its own name: the upload's Location must lead back here.
    const onward = send({ hostname, port, method: request.method, path: request.url, headers: { ...headers, host } });
    onward.on('response', (answer) => {
      if (answer.statusCode === 201) written.add(repositoryIn(request.url!)!);
      response.writeHead(answer.statusCode!, answer.headers);
      answer.on('data', (chunk: Buffer) => (entry.received += chunk.length));
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    request.on('aborted', () => onward.destroy());
    request.on('data', (chunk: Buffer) => (entry.sent += chunk.length));
    request.pipe(onward);
  }
}

function repositoryIn(path: string): string | undefined {
  return /^\/v2\/(.+)\/(?:blobs|manifests|tags|referrers)\//.exec(path)?.[1];
}
