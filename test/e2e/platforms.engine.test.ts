import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { findProgram, installPackages } from '../../scripts/support/apt.ts';
import { runChecked } from '../../src/process/run.ts';
import { engineProject } from '../support/engine-project.ts';
import { startDistribution, type RegistryProcess } from '../support/registry-process.ts';
import { imgbuildDone, imgbuildJson } from './cli.ts';

let registry: RegistryProcess;
beforeAll(async () => {
  await installPackages(['docker-registry', 'skopeo'], () => {});
  registry = await startDistribution({ program: findProgram('docker-registry')! });
});
afterAll(() => registry?.stop());

const platforms = ['linux/amd64', 'linux/arm64'];

describe.each(['classic', 'current'] as const)('two platforms on the %s engine', (kind) => {
  const engine = inject('engines')[kind];

  test.skipIf(!engine.available)(
    'each has its own fingerprint and image, and push puts the tag on an index of both',
    async () => {
      if (!engine.available) throw new Error(engine.because);
      const path = `${registry.host}/${kind}/platforms`;
      const project = await engineProject(engine, {
        'imgbuild.yaml': `version: 1
name: data
store: ${path}
platforms: [${platforms.join(', ')}]
layers:
  data: { context: data, image: data }
  more: { context: more, image: more }
`,
        // Nothing is run, so nothing is emulated.
        'data/Dockerfile': 'FROM scratch\nCOPY data.txt /\n',
        'data/data.txt': 'data\n',
        'more/Dockerfile': 'FROM data\nARG TARGETARCH\nCOPY $TARGETARCH.txt /arch.txt\n',
        'more/amd64.txt': 'amd64\n',
        'more/arm64.txt': 'arm64\n',
      });
      try {
        const { root } = project;
        const { env } = project.engine;
        interface Layer {
          name: string;
          platform: string;
          fingerprint: string;
          digest: string;
          outcome: string;
        }
        const { layers } = await imgbuildJson<{ layers: Layer[] }>(root, env, 'build');
        expect(layers.map(({ name, platform, outcome }) => `${name} ${platform} ${outcome}`).toSorted()).toEqual(
          ['data', 'more'].flatMap((name) => platforms.map((platform) => `${name} ${platform} built`)),
        );
        expect(new Set(layers.map(({ fingerprint }) => fingerprint)).size).toBe(4);
        await imgbuildDone(root, env, 'push', 'more', '--tag', 'both');

        // Another reader finds each image under the one tag.
        const raw = ['inspect', '--raw', '--tls-verify=false', `docker://${path}/more:both`];
        const index = JSON.parse(await runChecked('skopeo', raw)) as {
          manifests: { digest: string; platform: { os: string; architecture: string } }[];
        };
        const entries = index.manifests.map(({ digest, platform }) => [
          `${platform.os}/${platform.architecture}`,
          digest,
        ]);
        expect(Object.fromEntries(entries)).toEqual(
          Object.fromEntries(
            layers.filter(({ name }) => name === 'more').map(({ platform, digest }) => [platform, digest]),
          ),
        );
        for (const architecture of ['amd64', 'arm64']) {
          const choose = ['--override-os', 'linux', '--override-arch', architecture];
          const inspect = [...choose, 'inspect', '--tls-verify=false', `docker://${path}/more:both`];
          expect(JSON.parse(await runChecked('skopeo', inspect))).toMatchObject({ Architecture: architecture });
        }

        // A file of one platform is no change for the other.
        await project.write({ 'more/arm64.txt': 'arm64, changed\n' });
        const plan = await imgbuildJson<{ layers: { name: string; platform: string; action: string }[] }>(
          root,
          env,
          'plan',
        );
        const builds = plan.layers.filter(({ action }) => action === 'build');
        expect(builds.map(({ name, platform }) => `${name} ${platform}`)).toEqual(['more linux/arm64']);
      } finally {
        await project.remove();
      }
    },
  );
});
