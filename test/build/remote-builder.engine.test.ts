import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { findProgram, installPackages } from '../../scripts/support/apt.ts';
import { remoteBuilder, type RemoteBuilder } from '../../scripts/support/buildkit.ts';
import { chainFiles, engineProject, outcomes, readSaved } from '../support/engine-project.ts';
import { startDistribution, type RegistryProcess } from '../support/registry-process.ts';

const engine = inject('engines').current;
const possible = engine.available && findProgram('go') !== undefined;

describe('a remote builder', () => {
  let registry: RegistryProcess;
  let builder: RemoteBuilder;
  beforeAll(async () => {
    if (!possible) return;
    await installPackages(['docker-registry'], () => {});
    registry = await startDistribution({ program: findProgram('docker-registry')! });
    builder = await remoteBuilder(engine, 'imgbuild-test-remote');
  }, 600_000);
  afterAll(async () => {
    await builder?.stop();
    await registry?.stop();
  });

  it.skipIf(!possible)('builds into a folder, its parents from the folder', async () => {
    if (!engine.available) return;
    const project = await engineProject(engine, chainFiles);
    try {
      const report = await project.build({ builder: builder.name, load: true });
      expect(report.engine).toContain('driver remote');
      expect(outcomes(report)).toEqual({ base: 'built', engine: 'built', service: 'built' });
      expect(await project.docker('run', '--rm', 'tiny_service')).toBe('base\nengine\nservice\n');
    } finally {
      await project.remove();
    }
  });

  it.skipIf(!possible)('pushes straight into a registry, its parents from there', async () => {
    if (!engine.available) return;
    const configuration = chainFiles['imgbuild.yaml']!.replace(
      'layers:',
      `store: ${registry.host}/remote/ccai\nlayers:`,
    );
    const project = await engineProject(engine, { ...chainFiles, 'imgbuild.yaml': configuration });
    try {
      const report = await project.build({ builder: builder.name });
      expect(outcomes(report)).toEqual({ base: 'built', engine: 'built', service: 'built' });
      const store = await project.store();
      const [, parent, child] = await Promise.all(
        report.layers.map(({ repository, digest }) => readSaved(store, repository, digest)),
      );
      const digests = ({ manifest }: NonNullable<typeof child>) => manifest.layers.map(({ digest }) => digest);
      expect(digests(child!).slice(0, 3)).toEqual(digests(parent!));
      expect(await store.listTags('tiny_service')).toHaveLength(3);
      expect(outcomes(await project.build())).toEqual({ base: 'reused', engine: 'reused', service: 'reused' });
    } finally {
      await project.remove();
    }
  });
});
