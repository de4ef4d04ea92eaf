import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
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
