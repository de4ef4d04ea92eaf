import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

/** What goes wrong with a request before or while it is answered. */
export type Fault =
  | { status: number; headers?: Record<string, string>; body?: string }
  /** The connection ends: at once, or after that many bytes of the answer's body; they come in pieces of `trickle`. */
  | { cut: number; trickle?: number }
  /** Milliseconds of silence, then as usual. */
  | { delay: number }
  /** One byte of the body is another. */
  | { flip: true };

export interface Logged {
  method: string;
  path: string;
  authorization: string | undefined;
  range: string | undefined;
  /** Bytes of the request's body. */
  sent: number;
}

export interface MemoryRegistry {
  /** `127.0.0.1:PORT`. */
  host: string;
  log: Logged[];
  /** Those that are open, with what arrived. */
  uploads: Map<string, Buffer[]>;
  blobs: Map<string, Buffer>;
  /** `repository digest` of each blob that may be read there. */
  linked: Set<string>;
  /** By `repository:tag` and `repository@digest`. */
  manifests: Map<string, { bytes: Buffer; type: string }>;
  /** Asked before every request. */
  fault: (request: { method: string; path: string; nth: number }) => Fault | undefined;
  /** A PATCH with more is answered by 416, a PUT with more by 413. */
  mostPatch: number;
  mostPut: number;
  pageSize: number;
  /** Basic credentials, or tokens with a lifetime in seconds that this server gives itself. */
  auth?:
    | { kind: 'basic'; user: string; password: string }
    | { kind: 'bearer'; user?: string; password?: string; lifetime: number; refuse?: (scope: string) => boolean };
  /** Whether it lists referrers itself, by pages of `pageSize`. */
  referrers: boolean;
  /** Where blobs are redirected to. */
  blobsAt?: string;
  close(): Promise<void>;
}

/** A registry in memory that speaks real HTTP, for faults that real registries do not show on demand. */
export async function startMemoryRegistry(): Promise<MemoryRegistry> {
  const tokens = new Map<string, { scopes: string[]; until: number }>();
  const seen = new Map<string, number>();
  const server = createServer((request, response) => void serve(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const registry: MemoryRegistry = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    log: [],
    blobs: new Map(),
    uploads: new Map(),
    linked: new Set(),
    manifests: new Map(),
    fault: () => undefined,
    mostPatch: Infinity,
    mostPut: Infinity,
    pageSize: 100,
    referrers: false,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return registry;

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const arrived = Date.now();
    const url = new URL(request.url!, `http://${registry.host}`);
    const { method = 'GET' } = request;
    const key = `${method} ${url.pathname}`;
    seen.set(key, (seen.get(key) ?? 0) + 1);
    const fault = registry.fault({ method, path: url.pathname, nth: seen.get(key)! });
    if (fault !== undefined && 'delay' in fault) await sleep(fault.delay);
    let body: Buffer;
    try {
      body = await buffer(request);
    } catch {
      return;
    }
    const { authorization, range } = request.headers;
    registry.log.push({ method, path: request.url!, authorization, range, sent: body.length });
    if (fault !== undefined && 'cut' in fault && fault.cut === 0) return void request.socket.destroy();
    const answer =
      fault !== undefined && 'status' in fault
        ? { headers: {}, body: '', ...fault }
        : (authorize(request, url, arrived) ?? handle(method, url, request, body));
    const bytes = Buffer.from(answer.body ?? '');
    if (fault !== undefined && 'flip' in fault && bytes.length > 0) bytes[bytes.length >> 1]! ^= 1;
    response.writeHead(answer.status, { 'content-length': bytes.length, ...answer.headers });
    if (method === 'HEAD') return void response.end();
    if (fault !== undefined && 'cut' in fault) {
      const { cut, trickle = cut } = fault;
      for (let at = 0; at < cut; at += trickle) {
        const part = bytes.subarray(at, Math.min(at + trickle, cut));
        await new Promise<void>((resolve) => response.write(part, () => resolve()));
        await sleep(20);
      }
      return void request.socket.destroy();
    }
    response.end(bytes);
  }

  function authorize(request: IncomingMessage, url: URL, arrived: number): Result | undefined {
    const { auth } = registry;
    if (auth === undefined) return undefined;
    const given = request.headers.authorization;
    if (auth.kind === 'basic') {
      const expected = `Basic ${Buffer.from(`${auth.user}:${auth.password}`).toString('base64')}`;
      return given === expected ? undefined : fail(401, 'UNAUTHORIZED', { 'www-authenticate': 'Basic realm="test"' });
    }
    if (url.pathname === '/token') {
      const expected =
        auth.user === undefined
          ? undefined
          : `Basic ${Buffer.from(`${auth.user}:${auth.password}`).toString('base64')}`;
      if (expected !== undefined && given !== expected) return fail(401, 'UNAUTHORIZED');
      const scopes = url.searchParams.getAll('scope');
      if (scopes.some((scope) => auth.refuse?.(scope))) return fail(403, 'DENIED');
      const token = randomBytes(12).toString('hex');
      tokens.set(token, { scopes, until: Date.now() + auth.lifetime * 1000 });
      return { status: 200, headers: {}, body: JSON.stringify({ token, expires_in: auth.lifetime }) };
    }
    const token = tokens.get(given?.replace(/^Bearer /, '') ?? '');
    const repository = /^\/v2\/(.+)\/(?:blobs|manifests|tags)\//.exec(url.pathname)?.[1];
    const action = request.method === 'GET' || request.method === 'HEAD' ? 'pull' : 'push';
    const needed = repository === undefined ? [] : [[repository, action]];
    const from = url.searchParams.get('from');
    if (from !== null) needed.push([from, 'pull']);
    const allowed = needed.every(([name, act]) =>
      token?.scopes.some(
        (scope) => scope.startsWith(`repository:${name}:`) && scope.split(':').at(-1)!.split(',').includes(act!),
      ),
    );
    if (token !== undefined && token.until > arrived && allowed) return undefined;
    const scope =
      repository === undefined ? '' : `,scope="repository:${repository}:pull${action === 'push' ? ',push' : ''}"`;
    return fail(401, 'UNAUTHORIZED', {
      'www-authenticate': `Bearer realm="http://${registry.host}/token",service="test"${scope}`,
    });
  }

  function handle(method: string, url: URL, request: IncomingMessage, body: Buffer): Result {
    const { pathname: path, searchParams: query } = url;
    if (path === '/v2/') return ok({});
    if (path === '/v2/_catalog') {
      const names = [...registry.manifests.keys()].map((key) => key.split(/[@:]/)[0]!);
      return page([...new Set(names)].toSorted(), 'repositories', path, query);
    }
    const [, repository, kind, rest] = /^\/v2\/(.+)\/(blobs|manifests|tags|files|referrers)\/(.*)$/.exec(path) ?? [];
    if (repository === undefined || kind === undefined || rest === undefined) return fail(404, 'UNSUPPORTED');
    if (kind === 'referrers')
      return registry.referrers ? referrersOf(repository, rest, path, query) : fail(404, 'UNSUPPORTED');
    if (kind === 'tags') {
      const keys = [...registry.manifests.keys()];
      if (!keys.some((key) => key.startsWith(`${repository}@`))) return fail(404, 'NAME_UNKNOWN');
      const tags = keys
        .filter((key) => key.startsWith(`${repository}:`))
        .map((key) => key.slice(repository.length + 1));
      return page(tags.toSorted(), 'tags', path, query);
    }
    if (kind === 'manifests') return manifest(method, repository, rest, request, body);
    if (rest.startsWith('uploads/'))
      return upload(method, repository, rest.slice('uploads/'.length), query, request, body);
    if (kind === 'blobs' && !registry.linked.has(`${repository} ${rest}`)) return fail(404, 'BLOB_UNKNOWN');
    const bytes = registry.blobs.get(rest);
    if (bytes === undefined) return fail(404, 'BLOB_UNKNOWN');
    if (kind === 'blobs' && method === 'GET' && registry.blobsAt !== undefined) {
      return {
        status: 307,
        headers: { location: `http://${registry.blobsAt}/v2/${repository}/files/${rest}` },
        body: '',
      };
    }
    const start = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    if (start === 0)
      return { status: 200, headers: { 'content-length': String(bytes.length) }, body: method === 'HEAD' ? '' : bytes };
    const contentRange = `bytes ${start}-${bytes.length - 1}/${bytes.length}`;
    return { status: 206, headers: { 'content-range': contentRange }, body: bytes.subarray(start) };
  }

  function manifest(
    method: string,
    repository: string,
    reference: string,
    request: IncomingMessage,
    body: Buffer,
  ): Result {
    const key = reference.startsWith('sha256:') ? `${repository}@${reference}` : `${repository}:${reference}`;
    if (method === 'PUT') {
      const digest = digestOf(body);
      const document = JSON.parse(body.toString()) as Record<'config' | 'layers' | 'manifests', unknown>;
      const blobs = [document.config ?? [], document.layers ?? []].flat() as { digest: string }[];
      const manifests = (document.manifests ?? []) as { digest: string }[];
      const missing =
        blobs.some((blob) => !registry.linked.has(`${repository} ${blob.digest}`)) ||
        manifests.some((each) => !registry.manifests.has(`${repository}@${each.digest}`));
      if (missing) return fail(404, 'MANIFEST_BLOB_UNKNOWN');
      const entry = { bytes: body, type: request.headers['content-type'] ?? '' };
      registry.manifests.set(key, entry);
      registry.manifests.set(`${repository}@${digest}`, entry);
      const headers: Record<string, string> = { 'docker-content-digest': digest };
      const subject = (document as { subject?: { digest: string } }).subject?.digest;
      if (registry.referrers && subject !== undefined) headers['oci-subject'] = subject;
      return { status: 201, headers, body: '' };
    }
    const found = registry.manifests.get(key);
    if (found === undefined) return fail(404, 'MANIFEST_UNKNOWN');
    const headers = {
      'content-type': found.type,
      'docker-content-digest': digestOf(found.bytes),
      'content-length': String(found.bytes.length),
    };
    return { status: 200, headers, body: method === 'HEAD' ? '' : found.bytes };
  }

  function upload(
    method: string,
    repository: string,
    id: string,
    query: URLSearchParams,
    request: IncomingMessage,
    body: Buffer,
  ): Result {
    if (method === 'POST') {
      const [mount, from] = [query.get('mount'), query.get('from')];
      if (mount !== null && registry.linked.has(`${from} ${mount}`)) {
        registry.linked.add(`${repository} ${mount}`);
        return { status: 201, headers: {}, body: '' };
      }
      const fresh = randomBytes(8).toString('hex');
      registry.uploads.set(fresh, []);
      return { status: 202, headers: { location: `/v2/${repository}/blobs/uploads/${fresh}?_state=secret` }, body: '' };
    }
    const parts = registry.uploads.get(id);
    if (parts === undefined) return fail(404, 'BLOB_UPLOAD_UNKNOWN');
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const where = {
      location: `/v2/${repository}/blobs/uploads/${id}?_state=secret`,
      range: `0-${Math.max(0, length - 1)}`,
    };
    if (method === 'GET') return { status: 204, headers: where, body: '' };
    if (method === 'DELETE') {
      registry.uploads.delete(id);
      return { status: 204, headers: {}, body: '' };
    }
    if (method === 'PATCH') {
      if (body.length > registry.mostPatch) return fail(416, 'BLOB_UPLOAD_INVALID');
      const start = Number(/^(\d+)-/.exec(request.headers['content-range'] ?? '')?.[1] ?? length);
      if (start !== length) return fail(416, 'BLOB_UPLOAD_INVALID');
      parts.push(body);
      return { status: 202, headers: { ...where, range: `0-${length + body.length - 1}` }, body: '' };
    }
    if (body.length > registry.mostPut) return fail(413, 'SIZE_INVALID');
    const bytes = Buffer.concat([...parts, body]);
    const digest = digestOf(bytes);
    registry.uploads.delete(id);
    if (digest !== query.get('digest')) return fail(400, 'DIGEST_INVALID');
    registry.blobs.set(digest, bytes);
    registry.linked.add(`${repository} ${digest}`);
    return { status: 201, headers: { 'docker-content-digest': digest }, body: '' };
  }

  function referrersOf(repository: string, subject: string, path: string, query: URLSearchParams): Result {
    const all = [...registry.manifests].flatMap(([key, { bytes, type }]) => {
      if (!key.startsWith(`${repository}@`)) return [];
      const { subject: named, artifactType } = JSON.parse(bytes.toString()) as Record<string, unknown>;
      if ((named as { digest: string } | undefined)?.digest !== subject) return [];
      return [{ mediaType: type, digest: digestOf(bytes), size: bytes.length, artifactType }];
    });
    const first = Number(query.get('from') ?? 0);
    const next = first + registry.pageSize;
    const manifests = all.slice(first, next);
    const headers: Record<string, string> = { 'content-type': 'application/vnd.oci.image.index.v1+json' };
    if (next < all.length) headers['link'] = `<${path}?from=${next}>; rel="next"`;
    return ok({ schemaVersion: 2, mediaType: headers['content-type'], manifests }, headers);
  }

  function page(all: string[], name: string, path: string, query: URLSearchParams): Result {
    const last = query.get('last');
    const rest = last === null ? all : all.filter((each) => each > last);
    const size = Math.min(Number(query.get('n') ?? registry.pageSize), registry.pageSize);
    const shown = rest.slice(0, size);
    const more = rest.length > size;
    const link = { link: `<${path}?last=${shown.at(-1)}&n=${size}>; rel="next"` };
    return ok({ [name]: shown }, more ? link : {});
  }
}

interface Result {
  status: number;
  headers: Record<string, string>;
  body: string | Buffer;
}

function ok(document: object, headers: Record<string, string> = {}): Result {
  return { status: 200, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(document) };
}

function fail(status: number, code: string, headers: Record<string, string> = {}): Result {
  return { status, headers, body: JSON.stringify({ errors: [{ code, message: `as the test says: ${code}` }] }) };
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
