import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import { findProgram, installPackages } from '../../scripts/support/apt.ts';
import { currentEngine, debianEngine, type RunningEngine } from '../../scripts/support/engines.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { runChecked } from '../../src/process/run.ts';
import { engineProject, readSaved, type EngineProject } from '../support/engine-project.ts';
import { startDistribution, type RegistryProcess } from '../support/registry-process.ts';
import { imgbuildDone, imgbuildJson } from './cli.ts';

/** CCAI's three layers: `OPENVINO` is declared by the engine and the service alone. */
const ccai = (store: string): Record<string, string> => ({
  'imgbuild.yaml': `version: 1
name: ccai
store: ${store}
args: { OPENVINO: "y" }
layers:
  base: { context: docker/base, image: "service_runtime_base:ubuntu_20.04" }
  engine: { context: docker/engine, image: "service_runtime_inference_engine:ubuntu_20.04" }
  service: { context: docker/service, image: service_runtime }
bases: { "tiny:1": oci:./bases/tiny }
`,
  'docker/base/Dockerfile': 'FROM tiny:1\nRUN echo base > /base\n',
  'docker/engine/Dockerfile':
    'FROM service_runtime_base:ubuntu_20.04\nARG OPENVINO\nRUN echo "engine, openvino $OPENVINO" > /engine\n',
  'docker/service/Dockerfile': `FROM service_runtime_inference_engine:ubuntu_20.04
ARG OPENVINO
RUN echo "service, openvino $OPENVINO" > /service
COPY app.txt /app.txt
CMD ["cat", "/base", "/engine", "/service", "/app.txt"]
`,
  'docker/service/app.txt': 'app\n',
});

interface Report {
  engine: string | null;
  layers: { name: string; repository: string; outcome: string; digest: Digest }[];
}

let registry: RegistryProcess;
beforeAll(async () => {
  await installPackages(['docker-registry'], () => {});
  registry = await startDistribution({ program: findProgram('docker-registry')! });
});
afterAll(() => registry?.stop());

const cases = (['classic', 'current'] as const).flatMap((kind) =>
  (['registry', 'folder'] as const).map((store) => ({ kind, store })),
);

/** Engines of this file's own: other tests must keep their images. */
const engines = new Map<string, RunningEngine>();
afterAll(async () => {
  for (const engine of engines.values()) await engine.stop();
});

async function engineOf(kind: 'classic' | 'current'): Promise<RunningEngine> {
  let engine = engines.get(kind);
  if (!engine) engines.set(kind, (engine = await (kind === 'classic' ? debianEngine() : currentEngine())));
  return engine;
}

/** Takes every image and every build cache away, and makes sure of it. */
async function empty({ env, buildx }: RunningEngine): Promise<void> {
  const docker = (...args: string[]) => runChecked('docker', args, { env });
  await docker('system', 'prune', '--all', '--force');
  await docker('builder', 'prune', '--all', '--force');
  expect(await docker('image', 'ls', '--all', '--quiet')).toBe('');
  if (buildx !== undefined) expect(await docker('buildx', 'du')).toMatch(/Total:\s+0B/);
}

describe.each(cases)('2. CCAI examples, $kind engine, $store store', ({ kind, store }) => {
  const available = inject('engines')[kind];
  const projects: EngineProject[] = [];
  afterEach(async () => {
    for (const project of projects.splice(0)) await project.remove();
  });

  async function released(): Promise<{ project: EngineProject; engine: RunningEngine; before: Map<string, Digest> }> {
    if (!available.available) throw new Error(available.because);
    const engine = await engineOf(kind);
    const path = `${registry.host}/${kind}-${Math.random().toString(36).slice(2)}/ccai`;
    const files = ccai(store === 'registry' ? path : './saved');
    const project = await engineProject({ available: true, ...engine }, files);
    projects.push(project);
    await imgbuildDone(project.root, engine.env, 'lock');
    const { layers } = await imgbuildJson<Report>(project.root, engine.env, 'build');
    expect(layers.map(({ outcome }) => outcome)).toEqual(['built', 'built', 'built']);
    await empty(engine);
    return { project, engine, before: new Map(layers.map(({ name, digest }) => [name, digest])) };
  }

  /** Builds on an engine that has nothing, and returns what was built and what the service says. */
  async function rebuild({ project, engine, before }: Awaited<ReturnType<typeof released>>) {
    const report = await imgbuildJson<Report>(project.root, engine.env, 'build', '--load');
    const opened = await project.store();
    const saved = new Map<string, string[]>();
    for (const { name, repository, digest } of report.layers) {
      const { manifest } = await readSaved(opened, repository, digest);
      saved.set(
        name,
        manifest.layers.map((each) => each.digest),
      );
    }
    // Every image stands on the filesystem layers of its parent as they are in the store.
    expect(saved.get('engine')!.slice(0, saved.get('base')!.length)).toEqual(saved.get('base'));
    expect(saved.get('service')!.slice(0, saved.get('engine')!.length)).toEqual(saved.get('engine'));
    const reused = report.layers.filter(({ outcome }) => outcome === 'reused');
    for (const { name, digest } of reused) expect({ name, digest }).toEqual({ name, digest: before.get(name) });
    return {
      built: report.layers.filter(({ outcome }) => outcome === 'built').map(({ name }) => name),
      says: await runChecked('docker', ['run', '--rm', 'service_runtime'], { env: engine.env }),
    };
  }

  test.skipIf(!available.available)(
    'examples 2, 3 and 1: exactly the layers that changed are built, on saved parents, by a fresh engine',
    async () => {
      const state = await released();
      const { project, engine } = state;
      const file = (name: string) => join(project.root, 'docker', name);

      // Example 2: the service changed.
      writeFileSync(file('service/app.txt'), 'another app\n');
      expect(await rebuild(state)).toEqual({
        built: ['service'],
        says: 'base\nengine, openvino y\nservice, openvino y\nanother app\n',
      });

      // Example 3: the engine and the service changed.
      await empty(engine);
      writeFileSync(file('service/app.txt'), 'a third app\n');
      appendFileSync(file('engine/Dockerfile'), 'RUN echo more >> /engine\n');
      expect(await rebuild(state)).toEqual({
        built: ['engine', 'service'],
        says: 'base\nengine, openvino y\nmore\nservice, openvino y\na third app\n',
      });

      // Example 1: the base changed, and with it all that stands on it.
      await empty(engine);
      writeFileSync(file('base/Dockerfile'), 'FROM tiny:1\nRUN echo another base > /base\n');
      expect(await rebuild(state)).toEqual({
        built: ['base', 'engine', 'service'],
        says: 'another base\nengine, openvino y\nmore\nservice, openvino y\na third app\n',
      });
    },
  );

  // Which store it is makes no difference to this one.
  if (store === 'folder') return;
  test.skipIf(!available.available)(
    '4. an ARG that only the engine and the service declare: base reused; toggled back, the former layers are found',
    async () => {
      const state = await released();
      const { project, engine, before } = state;
      const configuration = join(project.root, 'imgbuild.yaml');
      const original = readFileSync(configuration, 'utf8');
      writeFileSync(configuration, original.replace('OPENVINO: "y"', 'OPENVINO: "n"'));
      expect(await rebuild(state)).toEqual({
        built: ['engine', 'service'],
        says: 'base\nengine, openvino n\nservice, openvino n\napp\n',
      });

      writeFileSync(configuration, original);
      await empty(engine);
      const { engine: used, layers } = await imgbuildJson<Report>(project.root, engine.env, 'build');
      expect(used).toBeNull();
      for (const { name, outcome, digest } of layers) {
        expect({ name, outcome, digest }).toEqual({ name, outcome: 'reused', digest: before.get(name) });
      }
    },
  );
});
