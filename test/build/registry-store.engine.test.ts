import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { findProgram, installPackages } from '../../scripts/support/apt.ts';
import { currentEngine, debianEngine } from '../../scripts/support/engines.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { runChecked } from '../../src/process/run.ts';
import { chainFiles, engineProject, outcomes, readSaved, type EngineProject } from '../support/engine-project.ts';
import { startDistribution, type RegistryProcess } from '../support/registry-process.ts';

let registry: RegistryProcess;
beforeAll(async () => {
  await installPackages(['docker-registry'], () => {});
  registry = await startDistribution({ program: findProgram('docker-registry')! });
});
afterAll(() => registry?.stop());

const projects: EngineProject[] = [];
afterEach(async () => {
  for (const project of projects.splice(0)) await project.remove();
});

describe.each([
  ['classic', debianEngine],
  ['current', currentEngine],
] as const)('a registry as the store of the %s engine', (name, start) => {
  const engine = inject('engines')[name];
  const open = async (store: string): Promise<EngineProject> => {
    if (!engine.available) throw new Error(engine.because);
    const configuration = chainFiles['imgbuild.yaml']!.replace('layers:', `store: ${store}\nlayers:`);
    const project = await engineProject(engine, { ...chainFiles, 'imgbuild.yaml': configuration });
    projects.push(project);
    return project;
  };

  it.skipIf(!engine.available)(
    'saves there; a fresh engine with only the registry builds on the saved parents',
    async () => {
      const project = await open(`${registry.host}/${name}/ccai`);
      const first = await project.build();
      expect(outcomes(first)).toEqual({ base: 'built', engine: 'built', service: 'built' });
      const again = await project.build();
      expect(outcomes(again)).toEqual({ base: 'reused', engine: 'reused', service: 'reused' });

      await project.write({ 'service/service.txt': 'another service\n' });
      const fresh = await start();
      let changed;
      try {
        changed = await project.build({ load: true, env: fresh.env });
        const said = await runChecked('docker', ['run', '--rm', 'tiny_service'], { env: fresh.env });
        expect(said).toBe('base\nengine\nanother service\n');
      } finally {
        await fresh.stop();
      }
      expect(outcomes(changed)).toEqual({ base: 'reused', engine: 'reused', service: 'built' });

      const store = await project.store();
      const digestOf = (layer: string): Digest => changed.layers.find((each) => each.name === layer)!.digest;
      const parent = await readSaved(store, 'tiny_engine', digestOf('engine'));
      const service = await readSaved(store, 'tiny_service', digestOf('service'));
      const digests = ({ manifest }: typeof parent) => manifest.layers.map(({ digest }) => digest);
      expect(digests(service).slice(0, 3)).toEqual(digests(parent));
      expect(await project.leftovers()).toEqual([]);
    },
  );
});
