import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** What a server does wrong with one request. Sizes are in bytes. */
export interface Fault {
  status?: number;
  headers?: Record<string, string>;
  /** The connection ends after that many bytes of the body. */
  cut?: number;
  /** Sends no more after that many bytes, and keeps the connection. */
  stall?: number;
  /** Answers with the whole file whatever was asked for. */
  ignoreRange?: true;
  /** Calls the body shorter than the file, and sends no more than it says. */
  short?: number;
  /** Calls the body longer by that much, and then ends the connection. */
  long?: number;
  /** Says nothing of the length: the end of the connection is the end of the body. */
  nameless?: true;
  /** The Content-Range of a partial answer, instead of the true one. */
  contentRange?: string;
  /** Begins a partial answer that many bytes earlier, and says so. */
  early?: number;
  /** Calls the whole body a part, with this Content-Range. */
  status206?: string;
  /** Milliseconds before the answer. */
  delay?: number;
  /** Other bytes than those of the file. */
  body?: Buffer;
}

export interface FaultyServer {
  url: string;
  content: Buffer;
  etag: string | undefined;
  /** The fault of each request, by its number from 0. */
  fault: (request: { number: number; range: string | undefined; path: string }) => Fault | undefined;
  requests: { path: string; range: string | undefined; ifRange: string | undefined }[];
  /** Requests that are being answered, and the most that ever were. */
  open: number;
  mostOpen: number;
  /** Bytes of bodies that were handed to the network. */
  sent: number;
  close(): Promise<void>;
}

/** An HTTP server of one file that is wrong in the ways that it is told. It is written by RFC 9110 alone. */
export async function startFaultyServer(content: Buffer): Promise<FaultyServer> {
  const sockets = new Set<Socket>();
  const http = createServer((request, response) => void answer(server, request, response));
  http.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const { port } = http.address() as AddressInfo;
  const server: FaultyServer = {
    url: `http://127.0.0.1:${port}/models/yolo.bin`,
    content,
    etag: '"one"',
    fault: () => undefined,
    requests: [],
    open: 0,
    mostOpen: 0,
    sent: 0,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => http.close(resolve));
    },
  };
  return server;
}

async function answer(server: FaultyServer, request: IncomingMessage, response: ServerResponse): Promise<void> {
  server.mostOpen = Math.max(server.mostOpen, ++server.open);
  response.on('close', () => (server.open -= 1));
  const { range } = request.headers;
  const ifRange = request.headers['if-range'] as string | undefined;
  const path = request.url ?? '';
  const fault = server.fault({ number: server.requests.length, range, path }) ?? {};
  server.requests.push({ path, range, ifRange });
  if (fault.delay !== undefined) await sleep(fault.delay);
  if (fault.status !== undefined) {
    response.writeHead(fault.status, fault.headers ?? {});
    response.end('what went wrong\n');
    return;
  }
  const content = fault.body ?? server.content;
  const headers: Record<string, string> = { ...fault.headers };
  if (server.etag !== undefined) headers['etag'] ??= server.etag;
  const from = /^bytes=(\d+)-$/.exec(range ?? '')?.[1];
  const fresh = ifRange === undefined || ifRange === server.etag;
  let body = content;
  let status = 200;
  if (from !== undefined && fault.ignoreRange === undefined && fresh) {
    const first = Math.max(0, Number(from) - (fault.early ?? 0));
    if (first >= content.length) {
      response.writeHead(416, { 'content-range': `bytes */${content.length}`, ...headers });
      response.end();
      return;
    }
    status = 206;
    body = content.subarray(first);
    headers['content-range'] = fault.contentRange ?? `bytes ${first}-${content.length - 1}/${content.length}`;
  }
  if (fault.status206 !== undefined) {
    status = 206;
    headers['content-range'] = fault.status206;
  }
  if (fault.short !== undefined) body = body.subarray(0, body.length - fault.short);
  if (fault.nameless) headers['connection'] = 'close';
  else headers['content-length'] ??= String(body.length + (fault.long ?? 0));
  if (fault.nameless) response.useChunkedEncodingByDefault = false;
  response.writeHead(status, headers);
  const limit = fault.cut ?? fault.stall ?? body.length;
  const part = body.subarray(0, limit);
  server.sent += part.length;
  const ends = fault.cut !== undefined || fault.long !== undefined || fault.nameless;
  response.write(part, () => {
    if (fault.stall !== undefined) return;
    // By FIN, so that all that was written arrives.
    if (ends) request.socket.end();
    else response.end();
  });
}
