import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openImages } from '../../src/image-source/open.ts';
import { hostPlatform } from '../../src/oci/platform.ts';

/** A registry and an engine that take every question and answer none. */
let silent: Server;
let port: number;
let asked: Promise<unknown>;
beforeEach(async () => {
  silent = createServer();
  asked = new Promise((resolve) => silent.once('request', resolve));
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  ({ port } = silent.address() as AddressInfo);
});
afterEach(() => {
  silent.closeAllConnections();
  silent.close();
});

test.each(['docker', 'docker-daemon'])('Ctrl-C ends the wait for an image of %s', async (transport) => {
  const stop = new AbortController();
  const name = transport === 'docker' ? `docker://127.0.0.1:${port}/app:1` : 'docker-daemon:app:1';
  const opening = openImages(name, {
    directory: '/',
    platform: hostPlatform(),
    store: () => Promise.reject(new Error('no release is named')),
    environment: { DOCKER_HOST: `tcp://127.0.0.1:${port}` },
    signal: stop.signal,
  });
  void asked.then(() => stop.abort(new Error('stopped by SIGINT')));
  await expect(opening).rejects.toThrow('stopped by SIGINT');
});
