import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface RegistryGate {
  /** `localhost:PORT`. */
  host: string;
  /** `GET /v2/…`, as they came. */
  requests: string[];
  close(): Promise<void>;
}

/** Stands before a registry and lets no write through, as GHCR does for the token of a pull request from a fork. */
export async function startReadOnlyGate(registry: string): Promise<RegistryGate> {
  const requests: string[] = [];
  const server = createServer((incoming, response) => {
    requests.push(`${incoming.method} ${incoming.url}`);
    if (incoming.method !== 'GET' && incoming.method !== 'HEAD') {
      incoming.resume();
      response.writeHead(403, { 'content-type': 'application/json' });
      response.end('{"errors":[{"code":"DENIED","message":"installation not allowed to Write organization package"}]}');
      return;
    }
    const [host, port] = registry.split(':');
    const forwarded = request(
      { host, port, method: incoming.method, path: incoming.url, headers: incoming.headers },
      (answer) => {
        response.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(response);
      },
    );
    forwarded.on('error', () => response.destroy());
    forwarded.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: `localhost:${(server.address() as AddressInfo).port}`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
