import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { findProgram, installPackages } from '../../scripts/support/apt.ts';
import { chainFiles, engineProject, readSaved, type EngineProject } from '../support/engine-project.ts';
import { startDistribution, type RegistryProcess } from '../support/registry-process.ts';
import { imgbuildDone, imgbuildJson } from './cli.ts';
import { blobTransfers, bytesMoved, startCountingProxy, type CountingProxy } from './counting-proxy.ts';

interface Released {
  outcome: string;
  builds: unknown[];
  images: { layer: string; digest: `sha256:${string}` }[];
  tags: { reference: string; digest: string }[];
}

let registry: RegistryProcess;
let proxy: CountingProxy;
beforeAll(async () => {
  await installPackages(['docker-registry'], () => {});
  registry = await startDistribution({ program: findProgram('docker-registry')! });
  proxy = await startCountingProxy(registry.host);
});
afterAll(async () => {
  await proxy?.close();
  await registry?.stop();
});

describe.each(['classic', 'current'] as const)('1. unchanged tree, %s engine', (kind) => {
  const engine = inject('engines')[kind];
  let project: EngineProject;
  beforeAll(async () => {
    if (!engine.available) return;
    const store = `${proxy.host}/${kind}/unchanged`;
    const configuration = chainFiles['imgbuild.yaml']!.replace('layers:', `store: ${store}\nlayers:`);
    const all = configuration.replace(/\{ (context: \w+, image: [^}]+) \}/g, '{ $1, release: true }');
    project = await engineProject(engine, { ...chainFiles, 'imgbuild.yaml': all });
  });
  afterAll(() => project?.remove());

  test.skipIf(!engine.available)(
    'nothing is built; a new version of it moves no filesystem-layer byte, and its tags resolve to the old digests',
    async () => {
      const { root } = project;
      const { env } = project.engine;
      await imgbuildDone(root, env, 'lock');
      const first = await imgbuildJson<Released>(root, env, 'release', '--version', '1.0.0');
      expect(first.builds).toHaveLength(3);
      expect(first.images).toHaveLength(3);

      const store = await project.store();
      const layers = new Set<string>();
      for (const { layer, digest } of first.images) {
        const { manifest } = await readSaved(store, `tiny_${layer}`, digest);
        for (const each of manifest.layers) layers.add(each.digest);
      }
      // The log sees what it is asked about: reading the images went through it.
      expect(blobTransfers(proxy.log, layers).length).toBeGreaterThan(0);

      proxy.log.length = 0;
      const plan = await imgbuildJson<{ hasWork: boolean }>(root, env, 'plan');
      expect(plan.hasWork).toBe(false);
      // Nothing to do asks for no engine.
      const nowhere = { ...env, DOCKER_HOST: `unix://${join(root, 'no-engine.sock')}` };
      expect(await imgbuildDone(root, nowhere, 'build')).toMatch(/^nothing to build, 3 reused/);
      expect(blobTransfers(proxy.log, layers)).toEqual([]);

      proxy.log.length = 0;
      const second = await imgbuildJson<Released>(root, nowhere, 'release', '--version', '1.0.1');
      expect(second).toMatchObject({ outcome: 'released', builds: [] });
      expect(blobTransfers(proxy.log, layers)).toEqual([]);
      const uploads = proxy.log.filter(({ method, path }) => method !== 'HEAD' && path.includes('/blobs/'));
      expect(uploads.filter(({ method, path }) => method !== 'GET' && !path.includes('/releases/'))).toEqual([]);
      expect(bytesMoved(proxy.log)).toBeLessThanOrEqual(first.images.length * 64 * 1024);
      expect(bytesMoved(proxy.log)).toBeGreaterThan(0);

      for (const { layer, digest } of first.images) {
        for (const tag of ['1.0.0', '1.0.1', '1.0', '1', 'latest']) {
          expect({ layer, tag, digest: (await store.headManifest(`tiny_${layer}`, tag))?.digest }).toEqual({
            layer,
            tag,
            digest,
          });
        }
      }
      expect(readFileSync(join(root, '.imgbuild/release/1.0.1/release.json'), 'utf8')).toContain('"1.0.1"');
    },
  );
});
