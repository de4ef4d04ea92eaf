import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import { findProgram, installPackages } from '../../scripts/support/apt.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { run, runChecked } from '../../src/process/run.ts';
import { chainFiles, engineProject, readSaved, type EngineProject } from '../support/engine-project.ts';
import { startDistribution, type RegistryProcess } from '../support/registry-process.ts';
import { imgbuild, imgbuildDone, imgbuildJson, startCli } from './cli.ts';
import { startCountingProxy, type CountingProxy } from './counting-proxy.ts';

interface Report {
  layers: { name: string; repository: string; outcome: string; digest: Digest }[];
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

const undo: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).toReversed()) await step();
});

const outcomes = ({ layers }: Report) => Object.fromEntries(layers.map(({ name, outcome }) => [name, outcome]));

describe.each(['classic', 'current'] as const)('7. on the %s engine', (kind) => {
  const engine = inject('engines')[kind];
  const open = async (files: Record<string, string>, store?: string): Promise<EngineProject> => {
    if (!engine.available) throw new Error(engine.because);
    const configuration = files['imgbuild.yaml']!.replace('layers:', `${store ? `store: ${store}\n` : ''}layers:`);
    const project = await engineProject(engine, { ...files, 'imgbuild.yaml': configuration });
    undo.push(() => project.remove());
    await imgbuildDone(project.root, engine.env, 'lock');
    return project;
  };
  const inRegistry = () => `${proxy.host}/${kind}-${Math.random().toString(36).slice(2)}/tiny`;
  const imagesOf = async (project: EngineProject) =>
    (await project.docker('image', 'ls', '--format', '{{.Repository}}:{{.Tag}}'))
      .split('\n')
      .filter((name) => name.startsWith('imgbuild.invalid/service'))
      .toSorted();

  test.skipIf(!engine.available)(
    'two processes build one layer at once: both end well with the same digest',
    async () => {
      // Steps that give the same bytes whenever they run, on the engine that writes the same times too.
      const project = await open({ ...chainFiles, 'base/Dockerfile': 'FROM tiny:1\nRUN sleep 1; echo base > /base\n' });
      const { root } = project;
      const { env } = project.engine;
      const reports = await Promise.all([
        imgbuildJson<Report>(root, env, 'build', 'base'),
        imgbuildJson<Report>(root, env, 'build', 'base'),
      ]);
      const [first, second] = reports.map(({ layers }) => layers[0]!);
      expect(second!.digest).toBe(first!.digest);
      for (const { outcome } of [first!, second!]) expect(['built', 'adopted', 'reused']).toContain(outcome);
      const again = await imgbuildJson<Report>(root, env, 'build', 'base');
      expect(again.layers[0]).toMatchObject({ outcome: 'reused', digest: first!.digest });
      await readSaved(await project.store(), 'tiny_base', first!.digest);
      expect(await project.leftovers()).toEqual([]);
    },
  );

  test.skipIf(!engine.available)(
    'two processes build a chain of random bytes at once: what is saved fits together in the end',
    async () => {
      const random = (from: string) => `FROM ${from}\nRUN head -c 64 /dev/urandom > /${Math.random()}\n`;
      const files = {
        ...chainFiles,
        'base/Dockerfile': random('tiny:1'),
        'engine/Dockerfile': random('tiny_base:1.0'),
      };
      const project = await open(files, inRegistry());
      const { root } = project;
      const { env } = project.engine;
      await Promise.all([imgbuildDone(root, env, 'build', '--force'), imgbuildDone(root, env, 'build', '--force')]);
      // A child that was built on the parent that lost is built once more; after that all is at rest.
      const settled = await imgbuildJson<Report>(root, env, 'build');
      const again = await imgbuildJson<Report>(root, env, 'build');
      expect(outcomes(again)).toEqual({ base: 'reused', engine: 'reused', service: 'reused' });
      expect(again.layers.map(({ digest }) => digest)).toEqual(settled.layers.map(({ digest }) => digest));
      const store = await project.store();
      const images = await Promise.all(
        again.layers.map(({ repository, digest }) => readSaved(store, repository, digest)),
      );
      const [base, middle, service] = images.map(({ config }) => config.rootfs.diff_ids);
      expect(middle!.slice(0, base!.length)).toEqual(base);
      expect(service!.slice(0, middle!.length)).toEqual(middle);
    },
  );

  test.skipIf(!engine.available)('Ctrl-C in the middle of plan: exit 130 at once, and nothing is written', async () => {
    const project = await open(chainFiles, inRegistry());
    const gate = proxy.hold(/^GET \S+\/manifests\/fp-/);
    const cli = startCli(project.root, project.engine.env, 'plan');
    await gate.held;
    const begun = Date.now();
    cli.interrupt();
    const { exitCode, stdout, stderr } = await cli.ended;
    gate.release();
    expect({ exitCode, stdout }).toEqual({ exitCode: 130, stdout: '' });
    expect(stderr).toContain('stopped');
    expect(Date.now() - begun).toBeLessThan(15_000);
    expect(await project.leftovers()).toEqual([]);
    expect(JSON.parse(await imgbuildDone(project.root, project.engine.env, 'plan', '--json'))).toMatchObject({
      hasWork: true,
    });
  });

  test.skipIf(!engine.available)(
    'Ctrl-C in the middle of a step: exit 130, no container and no image of it, and the next run goes on',
    async () => {
      // A number that nobody else sleeps for, to find the process by.
      const step = `sleep ${1000 + Math.floor(Math.random() * 100_000)}`;
      const project = await open({ ...chainFiles, 'service/Dockerfile': `FROM tiny_engine\nRUN ${step}\n` });
      const { root } = project;
      const { env } = project.engine;
      const sleeping = async () => (await run('pgrep', ['-xf', step])).exitCode === 0;
      const cli = startCli(root, env, 'build');
      await expect.poll(sleeping, { timeout: 120_000, interval: 100 }).toBe(true);
      const before = await imagesOf(project);
      const begun = Date.now();
      cli.interrupt();
      const { exitCode } = await cli.ended;
      expect(exitCode).toBe(130);
      expect(Date.now() - begun).toBeLessThan(45_000);
      expect(await project.leftovers()).toEqual([]);
      expect(await imagesOf(project)).toEqual(before);
      await expect.poll(sleeping, { timeout: 15_000 }).toBe(false);
      await project.write({ 'service/Dockerfile': 'FROM tiny_engine\nRUN true\n' });
      expect(outcomes(await imgbuildJson<Report>(root, env, 'build'))).toEqual({
        base: 'reused',
        engine: 'reused',
        service: 'built',
      });
    },
  );

  test.skipIf(!engine.available)(
    'Ctrl-C in the middle of a save: exit 130, no tag on what is not whole, and the next run goes on',
    async () => {
      const project = await open(chainFiles, inRegistry());
      const { root } = project;
      const { env } = project.engine;
      await imgbuildDone(root, env, 'build', 'engine');
      // The service's own blobs are on their way.
      const gate = proxy.hold(/^(PUT|PATCH) \S+tiny_service\/blobs\/uploads\//);
      const cli = startCli(root, env, 'build');
      await gate.held;
      cli.interrupt();
      const { exitCode, stderr } = await cli.ended;
      gate.release();
      expect({ exitCode, said: /stopped/.test(stderr) }).toEqual({ exitCode: 130, said: true });
      expect(await project.leftovers()).toEqual([]);
      const store = await project.store();
      expect(await store.listTags('tiny_service')).toEqual([]);
      const next = await imgbuildJson<Report>(root, env, 'build');
      expect(outcomes(next)).toEqual({ base: 'reused', engine: 'reused', service: 'built' });
      await readSaved(store, 'tiny_service', next.layers.find(({ name }) => name === 'service')!.digest);
    },
  );

  /** A disk of its own for the project's folder `name`. */
  async function smallDisk(project: EngineProject, name: string, megabytes: number): Promise<string> {
    const disk = join(project.root, name);
    mkdirSync(disk, { recursive: true });
    await runChecked('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', disk]);
    undo.push(() => run('umount', ['--lazy', disk]));
    return disk;
  }
  const large = 'FROM tiny_engine\nRUN head -c 30000000 /dev/urandom > /large\n';

  test.skipIf(!engine.available)(
    'disk full while the engine hands the image over: exit 1 and what to do, and the former layers stay good',
    async () => {
      const project = await open(chainFiles);
      const { root } = project;
      const { env } = project.engine;
      await smallDisk(project, '.imgbuild', 24);
      await imgbuildDone(root, env, 'build', 'engine');
      await project.write({ 'service/Dockerfile': large });
      const { exitCode, stderr } = await imgbuild(root, env, 'build');
      expect(exitCode).toBe(1);
      expect(stderr).toMatch(/the disk is full|no space left on device/);
      expect(stderr).toMatch(/next: (free|make)/);
      expect(await project.leftovers()).toEqual([]);
      await imgbuildDone(root, env, 'store', 'verify');
      await project.write({ 'service/Dockerfile': chainFiles['service/Dockerfile']! });
      const next = await imgbuildJson<Report>(root, env, 'build');
      expect(outcomes(next)).toEqual({ base: 'reused', engine: 'reused', service: 'built' });
    },
  );

  test.skipIf(!engine.available)(
    "a RUN that fails: exit 1, the Dockerfile's line and the last output, and the layers before it stay saved",
    async () => {
      const project = await open({
        ...chainFiles,
        'service/Dockerfile':
          'FROM tiny_engine\nCOPY service.txt /\nRUN echo fetching; \\\n  echo no such model >&2; exit 7\n',
      });
      const { root } = project;
      const { env } = project.engine;
      const { exitCode, stdout, stderr } = await imgbuild(root, env, 'build');
      expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
      expect(stderr).toContain('service/Dockerfile:3');
      const last = stderr.slice(stderr.lastIndexOf('error:'));
      expect(last).toContain('no such model');
      expect(last).toContain('RUN echo fetching');
      await project.write({ 'service/Dockerfile': chainFiles['service/Dockerfile']! });
      expect(outcomes(await imgbuildJson<Report>(root, env, 'build'))).toEqual({
        base: 'reused',
        engine: 'reused',
        service: 'built',
      });
    },
  );
});

describe.each(['classic', 'current'] as const)('5. on the %s engine', (kind) => {
  const engine = inject('engines')[kind];

  test.skipIf(!engine.available)('context: . with COPY . .: neither the store nor .git is in the image', async () => {
    if (!engine.available) throw new Error(engine.because);
    const project = await engineProject(engine, {
      'imgbuild.yaml': `version: 1
name: whole
layers:
  tools: { context: tools, image: whole_tools }
  all: { context: ., image: whole_all }
bases: { "tiny:1": oci:./bases/tiny }
`,
      'tools/Dockerfile': 'FROM tiny:1\nRUN echo tools > /tools\n',
      '.dockerignore': 'bases\n',
      Dockerfile: 'FROM whole_tools\nWORKDIR /srv\nCOPY . .\n',
      'sub/.git': 'gitdir: elsewhere\n',
      'sub/kept.txt': 'kept\n',
    });
    undo.push(() => project.remove());
    const { root } = project;
    const { env } = project.engine;
    const git = (...args: string[]) =>
      runChecked('git', ['-C', root, '-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args]);
    await git('init', '--quiet');
    await git('add', 'imgbuild.yaml', 'Dockerfile', '.dockerignore', 'tools');
    await git('commit', '--quiet', '--message', 'All');
    await imgbuildDone(root, env, 'build', 'tools');
    writeFileSync(join(root, '.imgbuild/secret-of-the-store'), 'x');

    const first = await imgbuildJson<Report>(root, env, 'build', '--load');
    const found = await project.docker('run', '--rm', 'whole_all', 'find', '/srv', '-not', '-type', 'd');
    expect(found.trim().split('\n').toSorted()).toEqual(
      ['.dockerignore', 'Dockerfile', 'imgbuild.yaml', 'sub/kept.txt', 'tools/Dockerfile'].map(
        (name) => `/srv/${name}`,
      ),
    );
    expect(await project.docker('run', '--rm', 'whole_all', 'ls', '-A', '/srv')).not.toMatch(/^\.(git|imgbuild)$/m);

    // What was built meanwhile and committed meanwhile is no change.
    await git('commit', '--quiet', '--allow-empty', '--message', 'More');
    const again = await imgbuildJson<Report>(root, env, 'build');
    expect(outcomes(again)).toEqual({ tools: 'reused', all: 'reused' });
    expect(again.layers.map(({ digest }) => digest)).toEqual(first.layers.map(({ digest }) => digest));
  });
});
