import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { emptyLock } from '../../src/lock/lock.ts';
import { resolveMissing } from '../../src/lock/resolve.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { runChecked } from '../../src/process/run.ts';
import { baseSources } from '../../src/project/base-sources.ts';
import { openTarget, pushImages } from '../../src/release/push.ts';
import { makeRelease } from '../../src/release/release.ts';
import { RegistryStore } from '../../src/store/registry.ts';
import { startGhcrProxy, type GhcrProxy } from '../support/ghcr-proxy.ts';
import { TestProject } from './setup.ts';

const { plain } = inject('registries');
let proxy: GhcrProxy;
let project: TestProject;
let path: string;
let count = 0;
const credentials = async () => ({ kind: 'password' as const, ...proxy.writer });

beforeEach(async () => {
  proxy = await startGhcrProxy(plain.host);
  path = `release${process.pid}/${count++}`;
  project = new TestProject(new RegistryStore(proxy.host, path, { credentials }));
});
afterEach(() => proxy.close());

const blobsMoved = (log: GhcrProxy['log'], digest: string) =>
  log
    .filter(({ method, path: asked }) => method !== 'HEAD' && asked.includes(digest.replace('sha256:', '')))
    .map(({ method, path: asked }) => `${method} ${asked}`);

test('1. unchanged tree: a new version of it moves no filesystem-layer byte', async () => {
  const first = (await makeRelease(project.request('1.0.0'))).release!;
  proxy.log.length = 0;
  const second = await makeRelease(project.request('1.0.1'));
  expect(second.release!.images[0]!.digest).toBe(first.images[0]!.digest);
  expect(blobsMoved(proxy.log, first.images[0]!.diffIds[0]!)).toEqual([]);
  const head = await project.store.headManifest('runtime', '1.0.1');
  expect(head!.digest).toBe(first.images[0]!.digest);
  expect((await project.store.headManifest('runtime', '1.0.0'))!.digest).toBe(first.images[0]!.digest);

  proxy.log.length = 0;
  expect((await makeRelease(project.request('1.0.1'))).outcome).toBe('unchanged');
  expect(proxy.log.filter(({ method }) => !['GET', 'HEAD'].includes(method)).map(({ method }) => method)).toEqual([]);
});

describe('push --to', () => {
  const pushTo = async (target: ReturnType<typeof openTarget>) => {
    const { release } = await makeRelease(project.request('1.0.0'));
    const image = release!.images[0]!;
    proxy.log.length = 0;
    const toPush = { name: 'service', repository: 'runtime', platforms: [image], tags: ['1.0.0'] };
    const [pushed] = await pushImages(project.store, [toPush], { target });
    expect(pushed!.digest).toBe(image.digest);
    return image;
  };

  test('another path of the same registry links the blobs: no byte of a filesystem layer moves', async () => {
    const to = { kind: 'registry', registry: proxy.host, path: `${path}-public` } as const;
    const image = await pushTo(openTarget(to, { credentials }));
    const mounts = proxy.log.filter(({ path: asked }) => asked.includes('mount='));
    expect(mounts.length).toBe(2);
    const moved = blobsMoved(proxy.log, image.diffIds[0]!).filter((line) => !line.includes('mount='));
    expect(moved).toEqual([]);
    const store = new RegistryStore(proxy.host, to.path, { credentials });
    expect((await store.headManifest('runtime', '1.0.0'))!.digest).toBe(image.digest);
    expect(await store.hasBlob('runtime', image.diffIds[0]!)).toBe(true);
  });

  test('another registry streams what is missing, and another reader finds it whole', async () => {
    const to = { kind: 'registry', registry: plain.host, path: `${path}-copy` } as const;
    const image = await pushTo(openTarget(to));
    const inspected = JSON.parse(
      await runChecked('skopeo', ['inspect', '--tls-verify=false', `docker://${plain.host}/${to.path}/runtime:1.0.0`]),
    ) as { Digest: string; Layers: string[] };
    expect(inspected.Digest).toBe(image.digest);
    expect(inspected.Layers).toEqual(image.diffIds);
  });

  test('an index of two platforms comes with both its images', async () => {
    project.platforms = ['linux/amd64', 'linux/arm64'];
    const { release } = await makeRelease(project.request('1.0.0'));
    const to = { kind: 'registry', registry: plain.host, path: `${path}-index` } as const;
    const toPush = { name: 'service', repository: 'runtime', platforms: release!.images, tags: ['1.0.0'] };
    await pushImages(project.store, [toPush], { target: openTarget(to) });
    const reference = `docker://${plain.host}/${to.path}/runtime:1.0.0`;
    for (const [architecture, image] of [
      ['amd64', release!.images[0]!],
      ['arm64', release!.images[1]!],
    ] as const) {
      const args = [
        '--override-os',
        'linux',
        '--override-arch',
        architecture,
        'inspect',
        '--tls-verify=false',
        reference,
      ];
      const { Layers } = JSON.parse(await runChecked('skopeo', args)) as { Layers: string[] };
      expect(Layers).toEqual(image.diffIds);
    }
  });
});

describe('bases', () => {
  test('are locked from a registry, and from a layout that skopeo wrote of it', async () => {
    project.platforms = ['linux/amd64', 'linux/arm64'];
    const { release } = await makeRelease(project.request('1.0.0'));
    const to = { kind: 'registry', registry: plain.host, path: `${path}-base` } as const;
    const toPush = { name: 'service', repository: 'runtime', platforms: release!.images, tags: ['1.0.0'] };
    await pushImages(project.store, [toPush], { target: openTarget(to) });
    const reference = `${plain.host}/${to.path}/runtime:1.0.0`;
    const { config } = project;
    const bases = [{ reference, platform: parsePlatform('linux/arm64') }];
    const options = { frozen: false, now: new Date() };
    const needs = { bases, syntaxes: [], epochs: [] };
    const { lock } = await resolveMissing(emptyLock(), needs, baseSources(config), options);
    const line = lock.bases.get(reference)!;
    expect(line).toMatchObject({ from: 'registry', index: release!.images[0]!.index });
    expect(line.platforms.get('linux/arm64')!.identity.digest).toBe(release!.images[1]!.digest);

    const folder = await mkdtemp(join(tmpdir(), 'imgbuild-base-'));
    try {
      const copy = [
        'copy',
        '--quiet',
        '--all',
        '--preserve-digests',
        '--src-tls-verify=false',
        `docker://${reference}`,
        `oci:${folder}/b:v1`,
      ];
      await runChecked('skopeo', copy);
      const source = { kind: 'oci', path: join(folder, 'b'), reference: 'v1', text: 'oci:./b:v1' } as const;
      const layouts = { ...config, bases: new Map([[reference, source]]) };
      const again = await resolveMissing(emptyLock(), needs, baseSources(layouts), options);
      expect(again.lock.bases.get(reference)!.platforms).toEqual(line.platforms);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
