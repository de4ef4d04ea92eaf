import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { openFromDaemon } from '../../src/image-source/daemon.ts';
import { connectEngine } from '../../src/image-source/docker-engine.ts';
import { hostPlatform } from '../../src/oci/platform.ts';
import { sampleTar } from '../delta/sample-image.ts';

const isOpen = (path: string) =>
  readdirSync('/proc/self/fd').some((descriptor) => {
    try {
      return readlinkSync(`/proc/self/fd/${descriptor}`).startsWith(path);
    } catch {
      return false;
    }
  });

test('what an engine saves and nobody can read leaves no file, on the disk or open', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'imgbuild-daemon-'));
  const server = createServer((request, response) => {
    if (request.url?.endsWith('/json')) response.end(JSON.stringify({ Id: 'sha256:0', RootFS: { Layers: [] } }));
    else response.end(sampleTar([{ name: 'other', bytes: 'no image' }]));
  });
  onTestFinished(() => {
    server.close();
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true, force: true });
  });
  await new Promise<void>((resolve) => server.listen(join(folder, 'socket'), resolve));
  vi.stubEnv('TMPDIR', folder);
  const engine = connectEngine({ DOCKER_HOST: `unix://${join(folder, 'socket')}` });
  const opening = openFromDaemon(engine, 'app:1', { name: 'docker-daemon:app:1', platform: hostPlatform() });
  await expect(opening).rejects.toThrow('manifest.json is missing');
  expect(readdirSync(folder)).toEqual(['socket']);
  expect(isOpen(join(folder, 'imgbuild-image-'))).toBe(false);
});

/** An engine behind a socket that answers so. */
async function engineOf(answer: RequestListener) {
  const folder = mkdtempSync(join(tmpdir(), 'imgbuild-engine-'));
  const server = createServer(answer);
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });
  await new Promise<void>((resolve) => server.listen(join(folder, 'socket'), resolve));
  return connectEngine({ DOCKER_HOST: `unix://${join(folder, 'socket')}` });
}

test('an engine that breaks off is told as that', async () => {
  const engine = await engineOf((request, response) => {
    if (request.url?.endsWith('/json')) return void response.end(JSON.stringify({ Id: 'sha256:0' }));
    response.writeHead(200, { 'content-length': '1000000' });
    response.write(Buffer.alloc(1000), () => response.destroy());
  });
  const opening = openFromDaemon(engine, 'app:1', { name: 'docker-daemon:app:1', platform: hostPlatform() });
  await expect(opening).rejects.toMatchObject({ name: 'Failure', doing: expect.stringContaining('saving app:1') });
});

test('what answers no JSON is no Docker', async () => {
  const engine = await engineOf((_request, response) => void response.end('<html>'));
  await expect(engine.info()).rejects.toMatchObject({ name: 'Failure', because: expect.stringContaining('no Docker') });
});

test('the error at the end of a long answer of `docker load` is found', async () => {
  const line = `${JSON.stringify({ stream: 'x'.repeat(1000) })}\n`;
  const engine = await engineOf((request, response) => {
    request.resume().on('end', () => {
      for (let at = 0; at < 3000; at++) response.write(line);
      response.end(JSON.stringify({ error: 'no space left on device' }));
    });
  });
  const archive = (async function* () {
    yield Buffer.alloc(1024);
  })();
  await expect(engine.load(archive)).rejects.toThrow('no space left on device');
});
