import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createReadStream, statSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

export interface WebServer {
  /** `http://127.0.0.1:PORT/`, or https */
  url: string;
  /** Paths that were asked for, decoded. */
  requests: string[];
  /** Answers instead of the file, where it returns true. */
  intercept: ((path: string, response: ServerResponse) => boolean | Promise<boolean>) | undefined;
  close(): Promise<void>;
}

/** Serves a folder as a static host does; by TLS where there is a certificate. */
export async function serve(root: string, tls?: { key: Buffer; cert: Buffer }): Promise<WebServer> {
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const path = decodeURIComponent(new URL(request.url!, 'http://x').pathname);
    web.requests.push(path);
    if (await web.intercept?.(path, response)) return;
    const file = join(root, path);
    const stats = statSync(file, { throwIfNoEntry: false });
    if (stats === undefined || !stats.isFile()) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-length': stats.size, 'last-modified': stats.mtime.toUTCString() });
    createReadStream(file).pipe(response);
  };
  const listener = (request: IncomingMessage, response: ServerResponse) => void answer(request, response);
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const web: WebServer = {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    requests: [],
    intercept: undefined,
    close: () => new Promise((resolve) => void (server.close(() => resolve()), server.closeAllConnections())),
  };
  return web;
}
