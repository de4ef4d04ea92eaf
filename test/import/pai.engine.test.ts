import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { findProgram, installPackages } from '../../scripts/support/apt.ts';
import { writeBaseLayout } from '../../scripts/support/base-image.ts';
import { hostPlatform } from '../../src/oci/platform.ts';
import { runChecked } from '../../src/process/run.ts';
import { imgbuild, imgbuildDone, imgbuildJson } from '../e2e/cli.ts';
import { engineProject, type EngineProject } from '../support/engine-project.ts';
import { startDistribution, type RegistryProcess } from '../support/registry-process.ts';
import { listing } from './pai.ts';

const example = path.resolve(import.meta.dirname, '../../examples/pai');

interface Report {
  layers: { name: string; outcome: string }[];
}
const outcomes = ({ layers }: Report) => layers.map(({ name, outcome }) => `${name} ${outcome}`);

describe.each(['classic', 'current'] as const)('examples/pai on the %s engine', (kind) => {
  const engine = inject('engines')[kind];
  const env: Record<string, string> = engine.available ? { ...engine.env } : {};
  let root: string;
  let registry: RegistryProcess;
  const docker = (...args: string[]) => runChecked('docker', args, { env });
  const tree = () => listing(path.join(root, 'pai-management'));

  beforeAll(async () => {
    await installPackages(['docker-registry'], () => {});
    registry = await startDistribution({ program: findProgram('docker-registry')! });
    root = realpathSync(mkdtempSync(path.join(tmpdir(), 'imgbuild-pai-')));
    cpSync(example, root, { recursive: true });
    const base = { reference: 'debian:12', platform: hostPlatform() };
    await writeBaseLayout(inject('rootfs').system, path.join(root, 'bases/debian'), base);
    const file = path.join(root, 'cluster-configuration/services-configuration.yaml');
    writeFileSync(file, readFileSync(file, 'utf8').replace('localhost:5000', registry.host));
  });
  afterAll(async () => {
    await registry?.stop();
    rmSync(root, { recursive: true, force: true });
  });

  test.skipIf(!engine.available)('is built and pushed as paictl.py did, from a tree that stays as it is', async () => {
    const before = tree();
    const build = ['pai', 'image', 'build', '-p', 'cluster-configuration'];
    expect(outcomes(await imgbuildJson<Report>(root, env, ...build))).toEqual([
      'base-image built',
      'cleaning-image built',
      'watchdog built',
    ]);
    expect(await docker('run', '--rm', '--hostname', 'n1', 'watchdog')).toBe('[n1] watching 3 exporters\n');
    expect(tree()).toEqual(before);

    writeFileSync(path.join(root, 'exporter/gpu.sh'), '#!/bin/sh\necho gpus 0\n');
    expect(outcomes(await imgbuildJson<Report>(root, env, ...build, '-n', 'watchdog'))).toEqual([
      'base-image reused',
      'watchdog built',
    ]);
    const pushed = await imgbuildDone(root, env, 'pai', 'image', 'push', '-p', 'cluster-configuration');
    expect(pushed.split('\n').map((line) => line.split(' ')[0])).toEqual([
      `${registry.host}/openpai/base-image:v0.6.1`,
      `${registry.host}/openpai/cleaning-image:v0.6.1`,
      `${registry.host}/openpai/watchdog:v0.6.1`,
      '',
    ]);
    const manifest = await fetch(`http://${registry.host}/v2/openpai/watchdog/manifests/v0.6.1`, {
      headers: {
        accept: 'application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json',
      },
    });
    expect(manifest.status).toBe(200);
  });

  test.skipIf(!engine.available)('leaves the tree as it is when a build fails', async () => {
    const file = path.join(root, 'exporter/broken.sh');
    writeFileSync(file, 'if\n');
    const before = tree();
    const { exitCode, stderr } = await imgbuild(root, env, 'pai', 'image', 'build');
    expect(exitCode).toBe(1);
    expect(stderr).toContain('pai-management/src/watchdog/dockerfile:3');
    expect(tree()).toEqual(before);
    rmSync(file);
  });
});

const hooked = {
  'imgbuild.yaml': `version: 1
name: pai
include:
  pai:
    path: .
    hooks: { sdk: { inputs: [version], outputs: [generated], env: [FLAVOUR] } }
bases: { "tiny:1": oci:./bases/tiny }
`,
  'version/VERSION': '1\n',
  'src/sdk/build/sdk.common.dockerfile': 'FROM tiny:1\nCOPY generated/ /sdk/\nCMD ["cat", "/sdk/made"]\n',
  'src/sdk/build/build-pre.sh':
    'mkdir -p src/sdk/generated\necho "made of $(cat version/VERSION) $FLAVOUR" > src/sdk/generated/made\necho ran >> "$RUNS"\n',
  'src/sdk/build/build-post.sh': '#!/bin/sh\ncat src/sdk/generated/made >> "$RUNS"\n',
};

describe('hooks', () => {
  const engine = inject('engines').current;
  let project: EngineProject | undefined;
  afterAll(() => project?.remove());

  test.skipIf(!engine.available)('run beside the tree, and again when what they read changed', async () => {
    if (!engine.available) return;
    project = await engineProject(engine, hooked);
    const { root } = project;
    // A declared variable may be any; this one is passed on, since it is declared.
    const yaml = readFileSync(path.join(root, 'imgbuild.yaml'), 'utf8').replace('FLAVOUR]', 'FLAVOUR, RUNS]');
    writeFileSync(path.join(root, 'imgbuild.yaml'), yaml);
    const runs = path.join(root, '..', `${path.basename(root)}-runs`);
    const env = { ...engine.env, RUNS: runs, FLAVOUR: 'plain' };
    const build = async (more = {}) =>
      outcomes(await imgbuildJson<Report>(root, { ...env, ...more }, 'build', '--load'));
    mkdirSync(path.join(root, 'src/sdk/generated'));
    writeFileSync(path.join(root, 'src/sdk/generated/left'), 'left by a run of before\n');
    const before = listing(path.join(root, 'src'));
    expect(await build()).toEqual(['sdk built']);
    expect(await project.docker('run', '--rm', 'sdk')).toBe('made of 1 plain\n');
    expect(readFileSync(runs, 'utf8')).toBe('ran\nmade of 1 plain\n');
    expect(await build()).toEqual(['sdk reused']);

    // The image changed, and not what the hook reads: it is not run again.
    const file = path.join(root, 'src/sdk/build/sdk.common.dockerfile');
    writeFileSync(file, readFileSync(file, 'utf8').replace('CMD', 'ENV A=1\nCMD'));
    expect(await build()).toEqual(['sdk built']);
    expect(readFileSync(runs, 'utf8').match(/^ran$/gm)).toHaveLength(1);

    writeFileSync(path.join(root, 'version/VERSION'), '2\n');
    expect(await build({ FLAVOUR: 'hot' })).toEqual(['sdk built']);
    expect(await project.docker('run', '--rm', 'sdk')).toBe('made of 2 hot\n');
    expect(readFileSync(runs, 'utf8').match(/^ran$/gm)).toHaveLength(2);
    expect({ ...listing(path.join(root, 'src')), 'sdk/build/sdk.common.dockerfile': '' }).toEqual({
      ...before,
      'sdk/build/sdk.common.dockerfile': '',
    });
    rmSync(runs);
  });

  test.skipIf(!engine.available)('that fail, or make too little, fail the build', async () => {
    if (!engine.available) return;
    const { root } = project!;
    const file = path.join(root, 'src/sdk/build/build-pre.sh');
    const env = { ...engine.env, RUNS: '/dev/null' };
    writeFileSync(file, 'cat docs/nothing\n');
    const failed = await imgbuild(root, env, 'build');
    expect(failed.exitCode).toBe(1);
    expect(failed.stderr).toContain('src/sdk/build/build-pre.sh:1');
    expect(failed.stderr).toContain('docs/nothing: No such file');
    writeFileSync(file, 'true\n');
    const lacking = await imgbuild(root, env, 'build');
    expect(lacking.exitCode).toBe(1);
    expect(lacking.stderr).toContain('src/sdk/build/build-pre.sh made no generated in src/sdk');
  });
});
