import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest';
import { findProgram } from '../../scripts/support/apt.ts';
import { verifyDetached } from '../../src/signing/openpgp.ts';
import { generateSigningKey, type GeneratedKey } from '../../src/signing/generate-key.ts';
import { makeConsumer, runAct, type ActRun, type Consumer } from '../support/act.ts';
import { startGitHubApi, type GitHubApi } from '../support/github-api.ts';
import { findings } from '../support/github-description.ts';
import { startReadOnlyGate } from '../support/registry-gate.ts';
import { startDistribution, type RegistryProcess } from '../support/registry-process.ts';

const bed = inject('workflows');
const engine = inject('workflowEngine');
const missing = [
  bed.tools.act.kind === 'absent' ? bed.tools.act.reason : undefined,
  engine.available ? undefined : engine.because,
].find((reason) => reason !== undefined);

const token = 'ghs_0123456789abcdefghij';

const callers = {
  'release.yml': `
on:
  workflow_dispatch:
    inputs:
      version: { required: true }
      parallel: { default: chains }
      packages: { default: auto }
jobs:
  release:
    uses: org/imgbuild/.github/workflows/release.yml@v1
    permissions: { contents: write, packages: write, id-token: write, attestations: write }
    with:
      version: \${{ inputs.version }}
      parallel: \${{ inputs.parallel }}
      packages: \${{ inputs.packages }}
    secrets:
      sign-key: \${{ secrets.SIGN_KEY }}
`,
  'pull-request.yml': readFileSync(
    path.resolve(import.meta.dirname, '../../examples/callers/pull-request.yml'),
    'utf8',
  ),
  'ota.yml': readFileSync(path.resolve(import.meta.dirname, '../../examples/callers/ota.yml'), 'utf8'),
};

describe.skipIf(missing !== undefined)('a repository that uses imgbuild', () => {
  let consumer: Consumer;
  let registry: RegistryProcess;
  let github: GitHubApi;
  let key: GeneratedKey;
  const runs: ActRun[] = [];

  beforeAll(async () => {
    registry = await startDistribution({ program: findProgram('docker-registry')! });
    github = await startGitHubApi(token);
    key = await generateSigningKey('Acme <release@example.com>');
    consumer = makeConsumer(path.resolve(import.meta.dirname, 'consumer'));
    for (const [name, text] of Object.entries(callers)) consumer.write(`.github/workflows/${name}`, text);
    useStore(registry.host);
    consumer.commit('Use imgbuild');
  });
  afterEach(() => {
    for (const run of runs.splice(0)) run.dispose();
  });
  afterAll(async () => {
    consumer?.remove();
    await github?.close();
    await registry?.stop();
  });

  function useStore(host: string): void {
    const file = path.join(consumer.folder, 'imgbuild.yaml');
    const text = readFileSync(file, 'utf8').replace(/^store: .*\n/m, '');
    writeFileSync(file, text.replace('name: greeter\n', `name: greeter\nstore: ${host}/acme/app\n`));
  }

  async function act(workflow: keyof typeof callers, event: string, payload: Record<string, unknown>): Promise<ActRun> {
    if (!engine.available) throw new Error(engine.because);
    const run = await runAct({
      bed,
      consumer,
      event,
      workflow: `.github/workflows/${workflow}`,
      payload,
      secrets: { GITHUB_TOKEN: token, SIGN_KEY: key.privateKey, IMGBUILD_SIGNING_KEY: key.privateKey },
      env: engine.env,
      stepEnv: {
        DOCKER_HOST: engine.env.DOCKER_HOST!,
        DOCKER_CONFIG: engine.env.DOCKER_CONFIG!,
        GITHUB_API_URL: github.url,
        // Nobody listens there: no release of imgbuild is fetched.
        GITHUB_SERVER_URL: 'http://127.0.0.1:9',
      },
    });
    runs.push(run);
    return run;
  }

  const release = (version: string, parallel = 'chains', packages = 'auto') =>
    act('release.yml', 'workflow_dispatch', { inputs: { version, parallel, packages } });
  const jobsOf = (run: ActRun) =>
    run.jobs.map(({ id, matrix }) => [id, matrix.chain ?? matrix.leg ?? ''].join(' ').trim()).toSorted();
  const tagsOf = async (repository: string): Promise<string[]> => {
    const answer = await fetch(`http://${registry.host}/v2/acme/app/${repository}/tags/list`);
    return (
      ((await answer.json()) as { tags?: string[] }).tags
        ?.filter((tag) => !/^(fp|inputs|last)-/.test(tag))
        .toSorted() ?? []
    );
  };

  test('release 1.0.0: two independent chains are two legs, and everything is published', async () => {
    const run = await release('1.0.0');
    expect(run.exitCode, run.log).toBe(0);
    expect(jobsOf(run)).toEqual(['attest', 'build clock', 'build greeting', 'page', 'plan', 'release']);
    expect(await tagsOf('greeter')).toEqual(['1', '1.0', '1.0.0', 'latest']);
    expect(await tagsOf('clock')).toEqual(['1', '1.0', '1.0.0', 'latest']);
    expect(await tagsOf('greeting')).toEqual([]);
    expect(await tagsOf('releases')).toEqual(['1.0.0']);
    expect(Object.keys(run.artifacts)).toEqual([
      'imgbuild-images-clock-1',
      'imgbuild-images-greeting-1',
      'imgbuild-plan-1',
      'imgbuild-release-1.0.0-1',
    ]);
    expect(run.artifacts['imgbuild-release-1.0.0-1']).toEqual([
      'SHA256SUMS',
      'SHA256SUMS.asc',
      expect.stringMatching(/^greeter-host_1\.0\.0.*\.deb$/),
      'page.md',
      'release.json',
      'subjects.txt',
    ]);
    expect(run.summaries.join('\n')).toContain('### 3 of 3 layers to build');
    expect(github.pages).toMatchObject([{ tag_name: 'v1.0.0', draft: false, prerelease: false }]);
    expect(github.pages[0]!.assets.map(({ name }) => name)).toEqual(
      run.artifacts['imgbuild-release-1.0.0-1']!.filter(
        (name) => name !== 'subjects.txt' && name !== 'page.md',
      ).toSorted(),
    );
  });

  test('nothing to do: no build runner is allocated, and the release is as it was', async () => {
    const before = readFileSync(path.join(registry.data, index('greeter', '1.0.0')), 'utf8');
    const run = await release('1.0.0');
    expect(run.exitCode, run.log).toBe(0);
    expect(jobsOf(run)).toEqual(['attest', 'page', 'plan', 'release']);
    expect(run.outputs.release?.outcome).toBe('unchanged');
    expect(readFileSync(path.join(registry.data, index('greeter', '1.0.0')), 'utf8')).toBe(before);
  });

  test('a pull request plans and builds what it changes, and writes nothing', async () => {
    consumer.write('clock/tick.txt', 'tock\n');
    const gate = await startReadOnlyGate(registry.host);
    try {
      useStore(gate.host);
      const run = await act('pull-request.yml', 'pull_request', { number: 7, pull_request: { number: 7 } });
      expect(run.exitCode, run.log).toBe(0);
      expect(jobsOf(run)).toEqual(['build clock', 'plan']);
      expect(run.outputs.build?.built).toBe('["clock"]');
      const writes = gate.requests.filter((line) => !/^(GET|HEAD) /.test(line));
      expect(writes).toEqual([]);
      expect(run.summaries.join('\n')).toContain('clock/tick.txt changed');
      expect(run.summaries.join('\n')).toContain('| greeter-host | 1.0.0 | all |');
    } finally {
      useStore(registry.host);
      await gate.close();
    }
  });

  test('release 1.1.0 builds the one layer that changed and makes the delta', async () => {
    consumer.commit('Tock');
    const run = await release('1.1.0');
    expect(run.exitCode, run.log).toBe(0);
    expect(jobsOf(run)).toEqual(['attest', 'build clock', 'page', 'plan', 'release']);
    // The last: by which this registry lists the delta beside the image that it leads to.
    const list = expect.stringMatching(/^sha256-[0-9a-f]{64}$/);
    expect(await tagsOf('clock')).toEqual(['1', '1.0', '1.0.0', '1.1', '1.1.0', 'latest', list]);
    const files = run.artifacts['imgbuild-release-1.1.0-1']!;
    expect(files).toContain('greeter_1.0.0_1.1.0_linux-amd64.ota.tar');
    const page = github.pages.find(({ tag_name: tag }) => tag === 'v1.1.0')!;
    expect(page.body).toContain('Since 1.0.0: <code>clock</code> changed; 2 layers as before.');
  });

  test('ota.yml by hand: the signed delta between two versions, and its size layer by layer', async () => {
    const run = await act('ota.yml', 'workflow_dispatch', { inputs: { from: '1.0.0', to: '1.1.0' } });
    expect(run.exitCode, run.log).toBe(0);
    const files = run.artifacts['imgbuild-ota-1.1.0-1']!;
    expect(files.toSorted()).toEqual(['html', 'ota.tar'].map((end) => `greeter_1.0.0_1.1.0_linux-amd64.${end}`));
    const deltas = JSON.parse(run.outputs.diff!.deltas!) as { from: string; to: string; size: number }[];
    expect(deltas).toMatchObject([{ from: '1.0.0', to: '1.1.0', platform: 'linux/amd64' }]);
    expect(run.summaries.join('\n')).toMatch(/1\.0\.0 → 1\.1\.0 \(linux\/amd64\): [\d.]+ k?B/);
    expect(run.summaries.join('\n')).toContain('Signed by');
    expect(run.summaries.join('\n')).toMatch(
      /Not by the device program: fetching http:\/\/127\.0\.0\.1:9\/org\/imgbuild\/.*nobody/,
    );
  });

  test('parallel: waves builds a chain in one job after the other', async () => {
    consumer.write('greeting/hello.txt', 'good morning\n');
    consumer.commit('Good morning');
    const run = await release('1.2.0', 'waves');
    expect(run.exitCode, run.log).toBe(0);
    expect(jobsOf(run)).toEqual(['attest', 'page', 'plan', 'release', 'wave-1 greeting', 'wave-2 greeter']);
    expect(await tagsOf('greeter')).toContain('1.2.0');
  });

  test('each package that changed is packed on a runner of its own, and one signed file has the sums of all', async () => {
    const file = path.join(consumer.folder, 'imgbuild.yaml');
    const more = ['clock', 'greeting'].map(
      (name) => `  ${name}-host:
    description: Files of the ${name} for the host
    maintainer: Acme <dev@example.com>
    contents:
      - { src: ${name}/Dockerfile, dst: /usr/share/${name}/Dockerfile }
`,
    );
    writeFileSync(file, readFileSync(file, 'utf8') + more.join(''));
    consumer.commit('More packages');
    const run = await release('1.3.0-rc.1', 'chains', 'each');
    expect(run.exitCode, run.log).toBe(0);
    const shared = ['packages clock-host', 'packages greeting-host'];
    expect(jobsOf(run)).toEqual(['attest', ...shared, 'page', 'plan', 'release'].toSorted());
    expect(run.summaries.join('\n')).toContain('| greeter-host | 1.0.0 | all |');
    const legs = ['clock', 'greeting'].flatMap((name) => {
      const list = path.join(run.artifactFolder, `imgbuild-packages-${name}-host-1`);
      const text = readFileSync(path.join(list, readdirSync(list)[0]!), 'utf8');
      return JSON.parse(text) as { file: string; sha256: string }[];
    });
    expect(legs.map((each) => each.file)).toEqual([
      'clock-host_1.3.0.rc.1_all.deb',
      'greeting-host_1.3.0.rc.1_all.deb',
    ]);

    // As someone checks who has downloaded all of the page.
    const page = github.pages.find(({ tag_name: tag }) => tag === 'v1.3.0-rc.1')!;
    const folder = path.join(run.artifactFolder, 'downloads');
    mkdirSync(folder);
    for (const { name, browser_download_url: url } of page.assets) {
      writeFileSync(path.join(folder, name), Buffer.from(await (await fetch(url!)).arrayBuffer()));
    }
    const checked = execFileSync('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: folder, encoding: 'utf8' });
    const files = [...legs.map((each) => each.file), 'greeter-host_1.0.0_all.deb', 'release.json'];
    expect(checked.trim().split('\n')).toEqual(expect.arrayContaining(files.map((each) => `${each}: OK`)));
    const sums = readFileSync(path.join(folder, 'SHA256SUMS'), 'utf8');
    for (const { file: deb, sha256 } of legs) expect(sums).toContain(`${sha256}  ${deb}\n`);
    await verifyDetached(
      Buffer.from(sums),
      readFileSync(path.join(folder, 'SHA256SUMS.asc')),
      Buffer.from(key.publicKey),
      { document: 'the sums', keyring: 'the ring' },
    );
  });

  test('packages that are unchanged take no runner', async () => {
    const run = await release('1.3.0-rc.2', 'chains', 'each');
    expect(run.exitCode, run.log).toBe(0);
    expect(jobsOf(run)).toEqual(['attest', 'page', 'plan', 'release']);
    const page = github.pages.find(({ tag_name: tag }) => tag === 'v1.3.0-rc.2')!;
    expect(page.assets.map(({ name }) => name)).toContain('clock-host_1.3.0.rc.1_all.deb');
  });

  test("a step that fails is annotated on the Dockerfile's line, and nothing is released", async () => {
    const file = path.join(consumer.folder, 'clock/Dockerfile');
    const before = readFileSync(file, 'utf8');
    consumer.write('clock/Dockerfile', 'FROM scratch\nCOPY tick.txt /tick.txt\nRUN ["/no-such-program"]\n');
    try {
      const run = await release('1.4.0');
      expect(run.exitCode).toBe(1);
      expect(run.jobs.find(({ id }) => id === 'build')?.result).toBe('failure');
      expect(jobsOf(run)).not.toContain('release');
      expect(run.annotations.find(({ level }) => level === 'error')).toMatchObject({
        file: 'clock/Dockerfile',
        line: '3',
      });
      expect(await tagsOf('releases')).toEqual(['1.0.0', '1.1.0', '1.2.0', '1.3.0-rc.1', '1.3.0-rc.2']);
    } finally {
      writeFileSync(file, before);
      rmSync(path.join(consumer.folder, '.imgbuild'), { recursive: true, force: true });
    }
  });

  test('all that was asked of GitHub is in its OpenAPI description', () => {
    expect(github.calls.length).toBeGreaterThan(0);
    expect(findings(github.calls)).toEqual([]);
  });
});

/** Where the distribution registry's file driver keeps what a tag stands on. */
function index(repository: string, tag: string): string {
  return `docker/registry/v2/repositories/acme/app/${repository}/_manifests/tags/${tag}/current/link`;
}
