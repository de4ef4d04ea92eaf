import { createServer, request as send, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { RegistryClient } from '../../src/registry/client.ts';
import { closeDispatchers } from '../../src/registry/dispatcher.ts';
import { startMemoryRegistry, type MemoryRegistry } from '../support/registry-memory.ts';
import { blobOf } from '../store/content.ts';

let registry: MemoryRegistry;
let proxy: Server;
let asked: string[];

beforeEach(async () => {
  registry = await startMemoryRegistry();
  asked = [];
  const [hostname, port] = registry.host.split(':');
  proxy = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    const path = new URL(request.url!).pathname + new URL(request.url!).search;
    const onward = send({ hostname, port, method: request.method, path, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    });
    request.pipe(onward);
  });
  proxy.on('connect', (request, socket) => {
    asked.push(`CONNECT ${request.url}`);
    const onward = connect(Number(port), hostname, () => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
    onward.on('error', () => socket.destroy());
    socket.on('error', () => onward.destroy());
    onward.pipe(socket).pipe(onward);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  await closeDispatchers();
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await closeDispatchers();
  proxy.closeAllConnections();
  await new Promise((resolve) => proxy.close(resolve));
  await registry.close();
});

const client = (host: string) => new RegistryClient(host, { credentials: async () => undefined });

it('a registry is reached through the proxy of the environment, this machine is not', async () => {
  const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  for (const name of ['HTTP_PROXY', 'HTTPS_PROXY', 'http_proxy', 'https_proxy']) vi.stubEnv(name, address);
  for (const name of ['NO_PROXY', 'no_proxy']) vi.stubEnv(name, '');
  vi.stubEnv('IMGBUILD_INSECURE_REGISTRIES', 'registry.example:5000');
  const blob = blobOf('through a proxy');
  await client(registry.host).putBlob('app', blob);
  expect(asked).toEqual([]);
  const remote = client('registry.example:5000');
  expect((await buffer(await remote.openBlob('app', blob))).toString()).toBe('through a proxy');
  expect(asked.every((line) => line.includes('registry.example:5000'))).toBe(true);
  expect(asked.length).toBeGreaterThan(0);
});
