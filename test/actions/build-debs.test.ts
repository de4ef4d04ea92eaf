import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { unarmor } from 'openpgp';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { installPackages } from '../../scripts/support/apt.ts';
import { silent } from '../../src/progress.ts';
import { generateSigningKey } from '../../src/signing/generate-key.ts';
import { removeJob, runAction, type ActionResult } from '../support/action-run.ts';
import { startMemoryRegistry } from '../support/registry-memory.ts';
import { startGitHubApi, type GitHubApi } from '../support/github-api.ts';

const token = 'ghs_build-debs-token';

// Each runs an action several times, as processes of their own.
vi.setConfig({ testTimeout: 120_000 });

let api: GitHubApi;
let workspace: string;
const results: ActionResult[] = [];
beforeAll(async () => {
  await installPackages(['gpgv'], () => {});
  api = await startGitHubApi(token);
}, 120_000);
afterAll(() => api.close());
beforeEach(() => {
  api.pages.length = 0;
  api.requests.length = 0;
  api.failUploads = 0;
  workspace = mkdtempSync(path.join(tmpdir(), 'imgbuild-workspace-'));
  cpSync(path.resolve(import.meta.dirname, '../workflows/consumer/greeter'), path.join(workspace, 'greeter'), {
    recursive: true,
  });
  writeFileSync(
    path.join(workspace, 'imgbuild.yaml'),
    `version: 1
name: greeter
store: ./store
platforms: [linux/amd64]
layers:
  greeter: { context: greeter, image: greeter }
debs:
  greeter-host:
    description: Files of the greeter for the host
    maintainer: Acme <dev@example.com>
    contents:
      - { src: greeter/greet.txt, dst: /usr/share/greeter/greet.txt }
  greeter-extra:
    description: Another file of the greeter
    maintainer: Acme <dev@example.com>
    off: true
    contents:
      - { src: greeter/Dockerfile, dst: /usr/share/greeter-extra/Dockerfile }
`,
  );
});
afterEach(() => {
  vi.unstubAllEnvs();
  for (const result of results.splice(0)) removeJob(result);
  rmSync(workspace, { recursive: true, force: true });
});

async function run(inputs: Record<string, string>): Promise<ActionResult> {
  const env = { GITHUB_API_URL: api.url, GITHUB_REPOSITORY: 'acme/app', GITHUB_SHA: 'a'.repeat(40) };
  const result = await runAction('build-debs', workspace, { version: '1.0.0-rc.1', token, ...inputs }, env);
  results.push(result);
  return result;
}

const names = (outputs: Record<string, string>) =>
  (JSON.parse(outputs.packages!) as { name: string }[]).map(({ name }) => name);

test('packages, their checksums and a table of them', async () => {
  const { exitCode, outputs, summary, log } = await run({});
  expect(exitCode, log).toBe(0);
  const [deb] = JSON.parse(outputs.packages!) as { sha256: string; size: number }[];
  // As the page of the release has it.
  const file = 'greeter-host_1.0.0.rc.1_all.deb';
  expect(deb).toMatchObject({ name: 'greeter-host', version: '1.0.0~rc.1', architecture: 'all', file });
  expect(readFileSync(outputs.paths!)).toHaveLength(deb!.size);
  expect(outputs).toMatchObject({ 'has-packages': 'true', paths: path.join(workspace, 'debs', file), signature: '' });
  expect(readdirSync(outputs.directory!)).toEqual(['debs.SHA256SUMS', file]);
  execFileSync('sha256sum', ['--check', '--strict', outputs.checksums!], { cwd: outputs.directory, stdio: 'pipe' });
  expect(summary).toContain('### Debian packages');
  expect(summary).toContain(deb!.sha256);
  expect(summary).toContain('| Package | Version | Architecture | Size | sha256 |');
  expect(api.requests).toEqual([]);
});

test('a package that is off is packed where `on` names it, and one that `off` names is not', async () => {
  const both = await run({ on: 'greeter-extra' });
  expect(both.exitCode, both.log).toBe(0);
  expect(names(both.outputs).toSorted()).toEqual(['greeter-extra', 'greeter-host']);
  const none = await run({ off: 'greeter-host', output: 'none' });
  expect(none.exitCode, none.log).toBe(0);
  expect(none.outputs).toMatchObject({ packages: '[]', 'has-packages': 'false', paths: '', checksums: '' });
});

test('the checksums are signed as gpgv reads it, and the key is in no output', async () => {
  const { privateKey, publicKey } = await generateSigningKey('Acme <release@example.com>');
  const { exitCode, outputs, summary, log } = await run({ 'sign-key': privateKey });
  expect(exitCode, log).toBe(0);
  const ring = path.join(workspace, 'ring.gpg');
  writeFileSync(ring, (await unarmor(publicKey)).data as Uint8Array);
  const verify = () =>
    execFileSync('gpgv', ['--keyring', ring, outputs.signature!, outputs.checksums!], { stdio: 'pipe' });
  verify();
  writeFileSync(outputs.checksums!, 'other sums\n');
  expect(verify).toThrow();
  const secret = privateKey.split('\n').at(4)!;
  const printed = log.split('\n').filter((line) => !line.startsWith('::add-mask::'));
  expect(`${printed.join('\n')}${summary}${JSON.stringify(outputs)}`).not.toContain(secret);

  const unsigned = await run({});
  expect(unsigned.exitCode, unsigned.log).toBe(0);
  expect(existsSync(outputs.signature!)).toBe(false);
});

test('the page of the release takes them: a draft where there is none, and what broke off is completed', async () => {
  api.failUploads = 3;
  const broken = await run({ publish: 'draft' });
  expect(broken.exitCode).toBe(1);
  expect(broken.log).toContain('run the job again');
  const { exitCode, outputs, log } = await run({ publish: 'draft' });
  expect(exitCode, log).toBe(0);
  expect(outputs.page).toBe('https://github.com/acme/app/releases/tag/v1.0.0-rc.1');
  expect(api.pages).toMatchObject([{ tag_name: 'v1.0.0-rc.1', draft: true, prerelease: true }]);
  const listed = () => api.pages[0]!.assets.map(({ name }) => name).toSorted();
  expect(listed()).toEqual(['debs.SHA256SUMS', 'greeter-host_1.0.0.rc.1_all.deb']);
});

test('sha256sum checks what someone has downloaded from the page, by the names that it has there', async () => {
  const { privateKey, publicKey } = await generateSigningKey('Acme <release@example.com>');
  const { exitCode, log } = await run({ publish: 'draft', 'sign-key': privateKey });
  expect(exitCode, log).toBe(0);
  api.pages[0]!.draft = false;
  const folder = path.join(workspace, 'downloads');
  mkdirSync(folder);
  for (const { browser_download_url: url } of api.pages[0]!.assets) {
    const name = decodeURIComponent(new URL(url!).pathname.split('/').at(-1)!);
    writeFileSync(path.join(folder, name), Buffer.from(await (await fetch(url!)).arrayBuffer()));
  }
  const check = () =>
    execFileSync('sha256sum', ['--check', '--strict', 'debs.SHA256SUMS'], { cwd: folder, stdio: 'pipe' });
  expect(check().toString()).toBe('greeter-host_1.0.0.rc.1_all.deb: OK\n');
  writeFileSync(path.join(folder, 'ring.gpg'), (await unarmor(publicKey)).data as Uint8Array);
  const signed = ['debs.SHA256SUMS.asc', 'debs.SHA256SUMS'];
  execFileSync('gpgv', ['--keyring', './ring.gpg', ...signed], { cwd: folder, stdio: 'pipe' });
  // It is the package still: dpkg goes by what is in it.
  const deb = path.join(folder, 'greeter-host_1.0.0.rc.1_all.deb');
  expect(execFileSync('dpkg-deb', ['--field', deb, 'Version'], { encoding: 'utf8' })).toBe('1.0.0~rc.1\n');
  writeFileSync(deb, 'of another build');
  expect(check).toThrow();
});

test('a page that is published gets what differs, and nothing twice', async () => {
  await run({ publish: 'draft' });
  const page = api.pages[0]!;
  page.draft = false;
  page.body = 'written by hand';
  page.assets.push({ id: 99, name: 'release.json', size: 3, state: 'uploaded', sha256: 'kept' });
  const ids = () => page.assets.map(({ id, name }) => `${name} ${id}`);
  const before = ids();
  const same = await run({ publish: 'draft' });
  expect(same.exitCode, same.log).toBe(0);
  expect(ids()).toEqual(before);
  writeFileSync(path.join(workspace, 'greeter/greet.txt'), 'good evening\n');
  const other = await run({ publish: 'draft' });
  expect(other.exitCode, other.log).toBe(0);
  expect(ids()).toHaveLength(3);
  expect(ids().filter((each) => before.includes(each))).toEqual(['release.json 99']);
  expect(page).toMatchObject({ draft: false, body: 'written by hand' });
});

test('a package that a release page does not take is refused before any is sent', async () => {
  const { addToReleasePage } = await import('../../src/actions/publish-page.ts');
  const large = path.join(workspace, 'large_1.0_all.deb');
  execFileSync('truncate', ['--size=2G', large]);
  vi.stubEnv('GITHUB_API_URL', api.url);
  vi.stubEnv('GITHUB_REPOSITORY', 'acme/app');
  const files = [path.join(workspace, 'imgbuild.yaml'), large];
  const { signal } = new AbortController();
  await expect(
    addToReleasePage({ version: '1.0.0', files, draft: true, token, progress: silent, signal }),
  ).rejects.toMatchObject({
    because: 'large_1.0_all.deb is larger than the 2 GiB that a release page takes',
  });
  expect(api.requests.filter((line) => line.includes('/assets'))).toEqual([]);
});

test('a name of the checksums that leads elsewhere is refused', async () => {
  const { exitCode, annotations } = await run({ checksums: '../sums' });
  expect(exitCode).toBe(1);
  expect(annotations[0]!.properties.title).toBe('reading the input checksums');
});

test('a dry run names what has to be packed and shares it out; the leg packs it, and then nothing has to be', async () => {
  const registry = await startMemoryRegistry();
  try {
    const file = path.join(workspace, 'imgbuild.yaml');
    const text = readFileSync(file, 'utf8').replace('store: ./store', `store: ${registry.host}/acme/app`);
    writeFileSync(file, text.replace('    off: true\n', ''));
    const plan = (inputs = {}) => run({ 'dry-run': 'true', share: 'each', ...inputs });
    const first = await plan();
    expect(first.exitCode, first.log).toBe(0);
    expect(first.outputs['has-work']).toBe('true');
    expect(JSON.parse(first.outputs['to-pack']!)).toEqual(['greeter-host', 'greeter-extra']);
    const { include } = JSON.parse(first.outputs.matrix!) as { include: { leg: string; packages: string }[] };
    expect(include.map((leg) => leg.packages).toSorted()).toEqual(['greeter-extra', 'greeter-host']);
    expect(existsSync(path.join(workspace, 'debs'))).toBe(false);
    expect((await plan({ share: 'auto' })).outputs).toMatchObject({ matrix: '{"include":[]}', 'has-work': 'false' });

    for (const { packages } of include) {
      const leg = await run({ packages, force: 'true', output: packages });
      expect(leg.exitCode, leg.log).toBe(0);
      expect(JSON.parse(readFileSync(leg.outputs['packages-file']!, 'utf8'))).toEqual(
        JSON.parse(leg.outputs.packages!),
      );
    }
    const second = await plan({ version: '1.0.0-rc.2' });
    expect(second.exitCode, second.log).toBe(0);
    expect(second.outputs).toMatchObject({ 'to-pack': '[]', matrix: '{"include":[]}', 'has-work': 'false' });
    expect(second.summary).toContain('| greeter-host | 1.0.0&#126;rc.1 | all | ');
    expect(second.summary).toContain('unchanged since 1.0.0&#126;rc.1');
  } finally {
    await registry.close();
  }
});

test('read-only writes nothing to the registry', async () => {
  const registry = await startMemoryRegistry();
  try {
    const file = path.join(workspace, 'imgbuild.yaml');
    writeFileSync(file, readFileSync(file, 'utf8').replace('store: ./store', `store: ${registry.host}/acme/app`));
    const { exitCode, outputs, log } = await run({ 'read-only': 'true' });
    expect(exitCode, log).toBe(0);
    expect(names(outputs)).toEqual(['greeter-host']);
    expect(registry.log.filter(({ method }) => method !== 'GET' && method !== 'HEAD')).toEqual([]);
  } finally {
    await registry.close();
  }
});

test('a dry run fetches no model, and gives one that is not packed yet a runner', async () => {
  const registry = await startMemoryRegistry();
  try {
    const file = path.join(workspace, 'imgbuild.yaml');
    const text = readFileSync(file, 'utf8').replace('store: ./store', `store: ${registry.host}/acme/app`);
    const source = `{ url: 'https://models.invalid/large.bin', sha256: ${'a'.repeat(64)} }`;
    const models = ['large', 'larger'].map((name) => `  ${name}: { source: ${source}, targets: [deb] }\n`);
    writeFileSync(file, `${text}models:\n${models.join('')}`);
    const { exitCode, outputs, summary, log } = await run({ 'dry-run': 'true' });
    expect(exitCode, log).toBe(0);
    const { include } = JSON.parse(outputs.matrix!) as { include: { packages: string }[] };
    expect(include.map((leg) => leg.packages.split(' ')[0])).toEqual(['greeter-model-large', 'greeter-model-larger']);
    expect(summary).toContain('Packed on 2 runners of their own.');
  } finally {
    await registry.close();
  }
});

test('a store in a folder shares nothing out: what one runner saves there the others do not find', async () => {
  // Nor does a dry run need a version.
  const { exitCode, outputs, log } = await run({ 'dry-run': 'true', share: 'each', version: '' });
  expect(exitCode, log).toBe(0);
  expect(outputs).toMatchObject({ 'to-pack': '["greeter-host"]', 'has-work': 'false' });
});

test('the page is published when all files are there, where that is asked for', async () => {
  const { exitCode, outputs, log } = await run({ publish: 'release-page' });
  expect(exitCode, log).toBe(0);
  expect(outputs.page).toBe('https://github.com/acme/app/releases/tag/v1.0.0-rc.1');
  expect(api.pages).toMatchObject([{ draft: false, prerelease: true }]);
  expect(api.pages[0]!.body).toContain('| greeter-host | 1.0.0&#126;rc.1 | all |');
  expect(api.requests.at(-1)).toMatch(/^PATCH /);
});

test.each(['publish', 'share'])(
  'a word that the input %s does not know is refused with those that it knows',
  async (name) => {
    const { exitCode, annotations } = await run({ [name]: 'everywhere' });
    expect(exitCode).toBe(1);
    expect(annotations[0]!.properties.title).toBe(`reading the input ${name}`);
  },
);
