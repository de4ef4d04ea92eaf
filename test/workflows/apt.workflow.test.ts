import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { findProgram, installPackages } from '../../scripts/support/apt.ts';
import { addToReleasePage } from '../../src/actions/publish-page.ts';
import { silent } from '../../src/progress.ts';
import { generateSigningKey } from '../../src/signing/generate-key.ts';
import { makeDeb } from '../apt/support/make-deb.ts';
import { makeConsumer, runAct, type ActRun, type Consumer } from '../support/act.ts';
import { startGitHubApi, type GitHubApi } from '../support/github-api.ts';
import { findings } from '../support/github-description.ts';
import { startDistribution } from '../support/registry-process.ts';

const bed = inject('workflows');
const { signal } = new AbortController();
const token = 'ghs_0123456789abcdefghij';

const caller = `
on:
  workflow_dispatch:
    inputs:
      version: { required: true }
      pack: { type: boolean, default: false }
  pull_request:
jobs:
  apt:
    uses: org/imgbuild/.github/workflows/apt.yml@v1
    permissions: { contents: write, packages: write }
    with:
      version: \${{ inputs.version || '1.0.0' }}
      pack: \${{ inputs.pack || false }}
      packages: each
    secrets:
      sign-key: \${{ secrets.SIGN_KEY }}
`;

describe.skipIf(bed.tools.act.kind === 'absent')('an apt repository on GitHub Pages', () => {
  let consumer: Consumer;
  let github: GitHubApi;
  let key: string;
  let work: string;
  let remote: string;
  beforeAll(async () => {
    await installPackages(['git', 'xz-utils'], () => {});
    github = await startGitHubApi(token);
    key = (await generateSigningKey('Acme <packages@example.com>')).privateKey;
    consumer = makeConsumer(path.resolve(import.meta.dirname, 'consumer'));
    consumer.write('.github/workflows/apt.yml', caller);
    consumer.commit('Publish packages');
    work = mkdtempSync(path.join(tmpdir(), 'imgbuild-apt-workflow-'));
    remote = path.join(work, 'acme/app');
    execFileSync('git', ['init', '--quiet', '--bare', remote]);
    // act looks for actions where GITHUB_SERVER_URL says: git alone is led elsewhere.
    writeFileSync(path.join(work, 'gitconfig'), `[url "file://${work}/"]\n  insteadOf = https://github.com/\n`);
    vi.stubEnv('GITHUB_API_URL', github.url);
    vi.stubEnv('GITHUB_REPOSITORY', 'acme/app');
    const deb = await makeDeb(path.join(work, 'made'), { name: 'hello', version: '1.0.0' });
    await addToReleasePage({ version: '1.0.0', files: [deb], draft: true, token, progress: silent, signal });
    github.pages[0]!.draft = false;
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    consumer?.remove();
    await github?.close();
    rmSync(work, { recursive: true, force: true });
  });

  async function act(event: string, payload: Record<string, unknown>): Promise<ActRun> {
    const done = await runAct({
      bed,
      consumer,
      event,
      workflow: '.github/workflows/apt.yml',
      payload,
      secrets: { GITHUB_TOKEN: token, SIGN_KEY: key },
      env: { PATH: process.env.PATH! },
      stepEnv: { GITHUB_API_URL: github.url, GIT_CONFIG_GLOBAL: path.join(work, 'gitconfig') },
    });
    done.dispose();
    return done;
  }
  const branches = () =>
    execFileSync('git', ['-C', remote, 'branch', '--format=%(refname:short)'], { encoding: 'utf8' }).trim();

  test('nothing is published for a fork, nor for a pull request', async () => {
    const fork = await act('workflow_dispatch', { inputs: { version: '1.0.0' }, repository: { fork: true } });
    expect(fork.exitCode, fork.log).toBe(0);
    expect(fork.jobs).toEqual([]);
    const request = await act('pull_request', { number: 7, pull_request: { number: 7 } });
    expect(request.exitCode, request.log).toBe(0);
    expect(request.jobs).toEqual([]);
    expect(branches()).toBe('');
  });

  test('the packages of a release are on the branch that Pages serves', async () => {
    const run = await act('workflow_dispatch', { inputs: { version: '1.0.0' } });
    expect(run.exitCode, run.log).toBe(0);
    expect(run.jobs).toMatchObject([{ id: 'publish', result: 'success' }]);
    expect(run.outputs.publish).toMatchObject({ changed: 'true' });
    expect(branches()).toBe('gh-pages');
    const site = path.join(work, 'site');
    execFileSync('git', ['clone', '--quiet', '--branch=gh-pages', remote, site], { stdio: 'pipe' });
    expect(readFileSync(path.join(site, 'dists/stable/InRelease'), 'utf8')).toMatch(/^Suite: stable$/m);
    expect(run.summaries.join('\n')).toContain('| hello | 1.0.0 | all |');
  });

  test('with pack the packages are made first, a runner for each, and the page with their checksums', async () => {
    const registry = await startDistribution({ program: findProgram('docker-registry')! });
    try {
      const file = path.join(consumer.folder, 'imgbuild.yaml');
      const text = readFileSync(file, 'utf8');
      writeFileSync(
        file,
        `${text.replace('name: greeter\n', `name: greeter\nstore: ${registry.host}/acme/app\n`)}  clock-host:
    description: Files of the clock for the host
    maintainer: Acme <dev@example.com>
    contents:
      - { src: clock/tick.txt, dst: /usr/share/clock/tick.txt }
`,
      );
      consumer.commit('Keep packages in a registry');
      const run = await act('workflow_dispatch', { inputs: { version: '1.1.0', pack: 'true' } });
      expect(run.exitCode, run.log).toBe(0);
      const jobs = run.jobs.map(({ id, matrix }) => [id, matrix.leg].filter(Boolean).join(' '));
      expect(jobs.toSorted()).toEqual(['packages clock-host', 'packages greeter-host', 'page', 'plan', 'publish']);
      const page = github.pages.find(({ tag_name: tag }) => tag === 'v1.1.0')!;
      expect(page).toMatchObject({ draft: false, body: expect.stringContaining('| clock-host | 1.1.0 |') as string });
      expect(page.assets.map(({ name }) => name).toSorted()).toEqual([
        'clock-host_1.1.0_all.deb',
        'debs.SHA256SUMS',
        'debs.SHA256SUMS.asc',
        'greeter-host_1.1.0_all.deb',
      ]);
      expect(JSON.parse(run.outputs.publish!.added!)).toMatchObject([{ name: 'clock-host' }, { name: 'greeter-host' }]);
    } finally {
      await registry.stop();
    }
  });

  test('all that was asked of GitHub is in its OpenAPI description', () => {
    expect(github.calls.length).toBeGreaterThan(0);
    expect(findings(github.calls)).toEqual([]);
  });
});
