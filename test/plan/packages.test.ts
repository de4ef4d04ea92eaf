import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Failure, Failures } from '../../src/failure.ts';
import type { ProjectPlanOptions } from '../../src/project/plan.ts';
import { openProject } from '../../src/project/open.ts';
import { relockPackages } from '../../src/project/packages.ts';
import { lockedChain } from '../../src/project/chain.ts';
import { silent } from '../../src/progress.ts';
import { chain, newRepository, outcomes, plan, saveAll, writeTree } from './saved-project.ts';

const dockerfile = `FROM debian:12 AS base
RUN apt-get update && apt-get install -y wget
FROM base AS cann
ARG ARCH
ARG CANN_VERSION=8.0.0
RUN wget -q http://172.17.0.1:3000/Ascend-cann-toolkit_\${CANN_VERSION}_linux-\${ARCH}.run -P ~/ && \\
    wget -q http://172.17.0.1:3000/install_cann.sh -P ~/ && \\
    bash -e install_cann.sh && \\
    rm -rf ~/*.run
FROM cann AS app
RUN wget -q http://172.17.0.1:3000/app.tar
`;

const yaml = (more = '', platforms = 'linux/amd64') => `version: 1
name: npu
platforms: [${platforms}]
layers:
  cann: { context: ., target: cann, image: cann, packages: packages${more} }
`;

const tree = {
  'imgbuild.yaml': yaml(),
  'imgbuild.lock': chain['imgbuild.lock']!,
  Dockerfile: dockerfile,
  'packages/Ascend-cann-toolkit_8.0.0_linux-x86_64.run': 'x86\n',
  'packages/Ascend-cann-toolkit_8.0.0_linux-aarch64.run': 'arm\n',
  'packages/install_cann.sh': './Ascend-cann-toolkit_*.run --install\n',
  'packages/unused.whl': 'nobody names it\n',
};
const toolkit = 'packages/Ascend-cann-toolkit_8.0.0_linux-x86_64.run';

function repository(files: Record<string, string> = {}): string {
  const folder = newRepository({ ...tree, ...files });
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  vi.stubEnv('XDG_CACHE_HOME', path.join(folder, '.imgbuild/home'));
  onTestFinished(() => void vi.unstubAllEnvs());
  return folder;
}

const open: Partial<ProjectPlanOptions> = { frozen: false };
const refusals = (folder: string, options = open): Promise<Failure[]> =>
  plan(folder, options).then(
    () => [],
    (error: Error) =>
      error instanceof Failures ? [...error.failures] : error instanceof Failure ? [error] : Promise.reject(error),
  );

async function lock(folder: string) {
  const { config, lock: bases } = await openProject({ directory: folder });
  const { chain: links } = await lockedChain(config, async () => bases);
  return relockPackages(config, links, bases, { progress: silent });
}

async function packagesOf(folder: string) {
  const { builds } = await plan(folder, open);
  return builds.map(({ inputs }) => inputs.packages.map(({ path: name }) => name));
}

test('the files that the needed stages name are in the fingerprint: a changed one builds, another does not', async () => {
  const folder = repository();
  await lock(folder);
  await saveAll(folder);
  expect(await outcomes(folder)).toEqual(['cann reuse']);
  writeTree(folder, {
    'packages/unused.whl': 'changed',
    'packages/Ascend-cann-toolkit_8.0.0_linux-aarch64.run': 'changed',
  });
  expect(await outcomes(folder)).toEqual(['cann reuse']);
  writeTree(folder, { [toolkit]: 'a newer one\n' });
  await lock(folder);
  expect(await outcomes(folder)).toEqual([`cann build: file-changed ${toolkit}`]);
});

test('per platform only what its names resolve to', async () => {
  const folder = repository({ 'imgbuild.yaml': yaml('', 'linux/amd64, linux/arm64') });
  expect(await packagesOf(folder)).toEqual([
    ['Ascend-cann-toolkit_8.0.0_linux-x86_64.run', 'install_cann.sh'],
    ['Ascend-cann-toolkit_8.0.0_linux-aarch64.run', 'install_cann.sh'],
  ]);
  writeTree(folder, { 'imgbuild.yaml': yaml(', args: { ARCH: aarch64 }') });
  expect(await packagesOf(folder)).toEqual([['Ascend-cann-toolkit_8.0.0_linux-aarch64.run', 'install_cann.sh']]);
});

test('a missing file stops the plan at its URL, all of them at once', async () => {
  const folder = repository();
  rmSync(path.join(folder, toolkit));
  rmSync(path.join(folder, 'packages/install_cann.sh'));
  const [first, second] = await refusals(folder);
  expect(first).toMatchObject({ kind: 'input', at: { file: 'Dockerfile', line: 6, column: 13 } });
  expect(first!.because).toBe(`there is no file ${toolkit}`);
  expect(first!.fix).toContain('the nearest is Ascend-cann-toolkit_8.0.0_linux-aarch64.run');
  expect(second).toMatchObject({ because: 'there is no file packages/install_cann.sh', at: { line: 7 } });
});

test('a forgotten $ is told', async () => {
  const folder = repository({ Dockerfile: dockerfile.replace('_${CANN_VERSION}_', '_{CANN_VERSION}_') });
  const [failure] = await refusals(folder);
  expect(failure!.fix).toBe('{CANN_VERSION} is no variable: write ${CANN_VERSION}');
});

test('packages.lock is what sha256sum checks; an altered file stops the plan, and --frozen asks for each line', async () => {
  const folder = repository();
  expect((await refusals(folder, {}))[0]!.because).toBe(`packages.lock has no line for ${toolkit}`);
  expect(await lock(folder)).toMatchObject([
    { kind: 'package', name: toolkit, from: null },
    { kind: 'package', name: 'packages/install_cann.sh', from: null },
  ]);
  expect(execFileSync('sha256sum', ['-c', 'packages.lock'], { cwd: folder, encoding: 'utf8' })).toBe(
    `${toolkit}: OK\npackages/install_cann.sh: OK\n`,
  );
  expect(await refusals(folder, {})).toEqual([]);
  expect(await lock(folder)).toEqual([]);
  writeTree(folder, { [toolkit]: 'tampered with\n' });
  const [failure] = await refusals(folder);
  expect(failure!.at).toMatchObject({ file: 'Dockerfile', line: 6 });
  expect(failure!.because).toMatch(
    /^packages\/Ascend.*\.run has sha256 [0-9a-f]{12}…, and packages\.lock:1 says [0-9a-f]{12}…$/,
  );
});

test('a line that is not one of sha256sum is an error at its place', async () => {
  const folder = repository({ 'packages.lock': `${'a'.repeat(64)}  x\nnothing\n` });
  expect((await refusals(folder))[0]).toMatchObject({ at: { file: 'packages.lock', line: 2 }, kind: 'input' });
});

test('without the folder a plan takes the sums of packages.lock, and says so only where it must build', async () => {
  const folder = repository();
  await lock(folder);
  await saveAll(folder);
  renameSync(path.join(folder, 'packages'), path.join(folder, 'elsewhere'));
  expect(await outcomes(folder)).toEqual(['cann reuse']);
  const [failure] = await refusals(folder, { force: ['cann'] });
  expect(failure!.because).toBe(`it must be built, and this machine has not got ${toolkit}`);
  rmSync(path.join(folder, 'packages.lock'));
  expect((await refusals(folder))[0]!.because).toContain('there is no folder packages, and packages.lock has no sum');
});

test('where the folder lies is no input; it may lie outside the repository', async () => {
  const folder = repository();
  const before = (await plan(folder, open)).plan.layers[0]!.fingerprint;
  const other = `${folder}-installers`;
  renameSync(path.join(folder, 'packages'), other);
  onTestFinished(() => rmSync(other, { recursive: true, force: true }));
  writeTree(folder, { 'imgbuild.yaml': yaml().replace('packages: packages', `packages: ${other}`) });
  expect((await plan(folder, open)).plan.layers[0]!.fingerprint).toBe(before);
  symlinkSync(other, path.join(folder, 'packages'));
  writeTree(folder, { 'imgbuild.yaml': yaml() });
  expect((await plan(folder, open)).plan.layers[0]!.fingerprint).toBe(before);
});

test('a large file is read once: its sum is remembered', async () => {
  const folder = repository();
  const old = new Date(Date.now() - 60_000);
  for (const name of [toolkit, 'packages/install_cann.sh'])
    execFileSync('touch', ['-d', old.toISOString(), path.join(folder, name)]);
  // The inode's own time can't be set: it has to pass.
  await new Promise((done) => setTimeout(done, 2100));
  await plan(folder, open);
  const sums = path.join(folder, '.imgbuild/home/imgbuild/hashes');
  expect(existsSync(sums)).toBe(true);
  expect(readFileSync(sums, 'utf8')).toContain('Ascend-cann-toolkit_8.0.0_linux-x86_64.run');
});

test('what takes files from=packages has them with their modes', async () => {
  const mounts = `FROM debian:12\nRUN --mount=type=bind,from=packages,source=install_cann.sh,target=/i.sh sh -e /i.sh\nCOPY --from=packages *.whl /w/\n`;
  const folder = repository({ Dockerfile: mounts, 'imgbuild.yaml': yaml().replace('target: cann, ', '') });
  await lock(folder);
  await saveAll(folder);
  expect(await outcomes(folder)).toEqual(['cann reuse']);
  execFileSync('chmod', ['755', path.join(folder, 'packages/install_cann.sh')]);
  expect(await outcomes(folder)).toEqual(['cann build: mode-changed packages/install_cann.sh']);
});

test('a step that goes on when an installer fails is a warning with its line', async () => {
  const careless = dockerfile.replace('bash -e install_cann.sh && \\', 'bash install_cann.sh; \\');
  const { plan: planned } = await plan(repository({ Dockerfile: careless }), open);
  expect(planned.warnings).toEqual([
    'cann: Dockerfile:8: bash install_cann.sh: the build goes on when it fails; write && in place of ;, or set -e in front',
    'cann: Dockerfile:8: packages/install_cann.sh has no set -e: the build goes on when an installer fails in it',
  ]);
  const careful = {
    Dockerfile: careless.replace('install_cann.sh;', 'install_cann.sh &&'),
    'packages/install_cann.sh': 'set -e\ntrue\n',
  };
  expect((await plan(repository(careful), open)).plan.warnings).toEqual([]);
});

test('a layer without packages: reads no URL', async () => {
  const folder = repository({ 'imgbuild.yaml': yaml().replace(', packages: packages', '') });
  writeFileSync(path.join(folder, toolkit), 'changed');
  expect(await packagesOf(folder)).toEqual([[]]);
});
