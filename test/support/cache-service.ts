import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface CacheService {
  /** What a runner tells its actions. */
  env: Record<string, string>;
  /** Archives by key. */
  kept: Map<string, Buffer>;
  /** All requests are answered with an error. */
  fails: boolean;
  requests: number;
  close(): Promise<void>;
}

/** GitHub's cache as runners and act speak it (version 1 of its protocol): look up, reserve, send in pieces, commit. */
export async function startCacheService(): Promise<CacheService> {
  const pending: { id: string; key: string; version: string; pieces: Buffer[] }[] = [];
  const versions = new Map<string, string>();
  const service: CacheService = { env: {}, kept: new Map(), fails: false, requests: 0, close };
  const server = createServer((request, response) => {
    service.requests++;
    void readAll(request).then((body) => {
      const { pathname, searchParams } = new URL(request.url!, service.env['ACTIONS_CACHE_URL']);
      const json = (status: number, value: unknown) => {
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
      };
      if (service.fails) return json(500, { message: 'the cache has no time' });
      const path = pathname.replace('/_apis/artifactcache/', '');
      if (path === 'cache') {
        const key = searchParams.get('keys')!.split(',')[0]!;
        if (!service.kept.has(key) || versions.get(key) !== searchParams.get('version')) {
          return response.writeHead(204).end();
        }
        return json(200, {
          cacheKey: key,
          archiveLocation: new URL(`/archive/${key}`, service.env['ACTIONS_CACHE_URL']),
        });
      }
      if (path.startsWith('/archive/')) {
        const bytes = service.kept.get(path.slice('/archive/'.length))!;
        return response.writeHead(200, { 'content-length': bytes.length }).end(bytes);
      }
      if (path === 'caches') {
        const { key, version } = JSON.parse(body.toString()) as { key: string; version: string };
        const id = pending.push({ id: String(pending.length + 1), key, version, pieces: [] });
        return json(201, { cacheId: id });
      }
      const upload = pending.find(({ id }) => path === `caches/${id}`)!;
      if (request.method === 'PATCH') upload.pieces.push(body);
      else {
        service.kept.set(upload.key, Buffer.concat(upload.pieces));
        versions.set(upload.key, upload.version);
      }
      return response.writeHead(204).end();
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  service.env = { ACTIONS_CACHE_URL: url, ACTIONS_RUNTIME_TOKEN: 'a-token-of-the-runner' };
  async function close(): Promise<void> {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }
  return service;
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
