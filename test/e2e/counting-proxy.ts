import { createServer, request as send, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface CountedRequest {
  method: string;
  /** With the query. */
  path: string;
  status: number;
  /** Bytes of the bodies: of the request and of the answer. */
  sent: number;
  received: number;
}

export interface CountingProxy {
  /** `localhost:PORT`. */
  host: string;
  /** In the order in which they began. */
  log: CountedRequest[];
  /** Holds every later request that the pattern (over `METHOD path`) matches; `held` resolves when one has come. */
  hold(pattern: RegExp): { held: Promise<void>; release(): void };
  close(): Promise<void>;
}

/** Stands before a registry, changes nothing, and keeps a log of what went through. */
export async function startCountingProxy(upstream: string): Promise<CountingProxy> {
  const [hostname, port] = upstream.split(':');
  const log: CountedRequest[] = [];
  let gate: { pattern: RegExp; came: () => void; open: Promise<void> } | undefined;
  const server = createServer((request, response) => void serve(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const entry: CountedRequest = { method: request.method!, path: request.url!, status: 0, sent: 0, received: 0 };
    log.push(entry);
    if (gate?.pattern.test(`${entry.method} ${entry.path}`)) {
      gate.came();
      await gate.open;
    }
    // The client's own word for the host goes on: the Location of an upload must lead back here.
    const { headers, method, url: path } = request;
    const onward = send({ hostname, port, method, path, headers }, (answer) => {
      entry.status = answer.statusCode!;
      response.writeHead(answer.statusCode!, answer.headers);
      answer.on('data', (chunk: Buffer) => (entry.received += chunk.length));
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    request.on('data', (chunk: Buffer) => (entry.sent += chunk.length));
    request.pipe(onward);
  }

  return {
    host: `localhost:${(server.address() as AddressInfo).port}`,
    log,
    hold(pattern) {
      let release = () => {};
      let came = () => {};
      const held = new Promise<void>((resolve) => (came = resolve));
      const open = new Promise<void>((resolve) => (release = resolve));
      gate = { pattern, came, open };
      return {
        held,
        release() {
          gate = undefined;
          release();
        },
      };
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

/** Bytes of all bodies, both ways. */
export function bytesMoved(log: readonly CountedRequest[]): number {
  return log.reduce((sum, { sent, received }) => sum + sent + received, 0);
}

/** Requests that carry or start to carry a blob: all but looking whether it is there. */
export function blobTransfers(log: readonly CountedRequest[], digests: ReadonlySet<string>): string[] {
  return log
    .filter(({ method, path }) => {
      if (method === 'HEAD') return false;
      const digest = /sha256(?::|%3A)[0-9a-f]{64}/i.exec(path)?.[0].replace(/%3a/i, ':');
      return digest !== undefined && digests.has(digest);
    })
    .map(({ method, path }) => `${method} ${path}`);
}
