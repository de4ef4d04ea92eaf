import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { installPackages } from '../../scripts/support/apt.ts';
import { hostPlatform, platformName } from '../../src/oci/platform.ts';
import { parseChannel } from '../../src/release/channel-json.ts';
import { generateSigningKey } from '../../src/signing/generate-key.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { removeJob, runAction, type ActionResult } from '../support/action-run.ts';
import { startGitHubApi, type GitHubApi } from '../support/github-api.ts';
import { releaseSample } from './sample-release.ts';

const token = 'ghs_promote-token';
const here = platformName(hostPlatform());

let api: GitHubApi;
let key: string;
let publicKey: string;
let work: string;
let workspace: string;
/** What GitHub keeps of acme/app. */
let remote: string;
const results: ActionResult[] = [];
beforeAll(async () => {
  await installPackages(['git', 'gpg', 'gpgv'], () => {});
  api = await startGitHubApi(token);
  const made = await generateSigningKey('Acme <packages@example.com>');
  [key, publicKey] = [made.privateKey, made.publicKey];
}, 120_000);
afterAll(() => api.close());
beforeEach(() => {
  api.pages.length = 0;
  work = mkdtempSync(path.join(tmpdir(), 'imgbuild-promote-'));
  remote = path.join(work, 'acme/app');
  execFileSync('git', ['init', '--quiet', '--bare', remote]);
  writeFileSync(path.join(work, 'gitconfig'), `[url "file://${work}/"]\n  insteadOf = https://github.com/\n`);
  workspace = path.join(work, 'workspace');
  mkdirSync(workspace);
  writeFileSync(path.join(workspace, 'Dockerfile'), 'FROM scratch\nCOPY imgbuild.yaml /\n');
  writeFileSync(
    path.join(workspace, 'imgbuild.yaml'),
    'version: 1\nname: app\nstore: ./store\nlayers:\n  app: { context: ., image: app }\n',
  );
});
afterEach(() => {
  for (const result of results.splice(0)) removeJob(result);
  rmSync(work, { recursive: true, force: true });
});

const release = (version: string) => releaseSample(new LayoutStore(path.join(workspace, 'store')), version, [here]);

async function run(name: string, inputs: Record<string, string>): Promise<ActionResult> {
  const env = {
    GITHUB_API_URL: api.url,
    GITHUB_REPOSITORY: 'acme/app',
    GIT_CONFIG_GLOBAL: path.join(work, 'gitconfig'),
  };
  const result = await runAction(name, workspace, { token, 'sign-key': key, ...inputs }, env);
  results.push(result);
  return result;
}

function checkOut(): string {
  const folder = mkdtempSync(path.join(work, 'clone-'));
  execFileSync('git', ['clone', '--quiet', '--branch', 'gh-pages', remote, folder], { stdio: 'pipe' });
  return folder;
}

test('a channel is moved on the branch that Pages serves, signed, and signed anew without a version', async () => {
  await release('1.0.0');
  const first = await run('promote', { channel: 'stable', version: 'v1.0.0' });
  expect(first.exitCode, first.log).toBe(0);
  expect(first.outputs).toMatchObject({
    version: '1.0.0',
    sequence: '1',
    address: 'https://acme.github.io/app/ota/stable/ota.json',
  });
  expect(first.summary).toContain('### Channel stable');
  const again = await run('promote', { channel: 'stable', 'valid-days': '7' });
  expect(again.exitCode, again.log).toBe(0);
  const site = path.join(checkOut(), 'ota/stable');
  const channel = parseChannel(readFileSync(path.join(site, 'ota.json')));
  expect(channel).toMatchObject({ version: '1.0.0', sequence: 2, expires: again.outputs.expires });
  expect(channel.urls).toEqual(['https://github.com/acme/app/releases/download/v{version}/{file}']);
  const ring = path.join(work, 'ring.gpg');
  writeFileSync(ring, execFileSync('gpg', ['--dearmor'], { input: publicKey }));
  const files = ['ota.json.asc', 'ota.json'].map((name) => path.join(site, name));
  execFileSync('gpgv', ['--keyring', ring, ...files], { stdio: 'pipe' });
}, 120_000);

test('deltas made later are put on the page of their release, and listed', async () => {
  await release('1.0.0');
  await release('1.1.0');
  const made = await run('ota-diff', { from: '1.0.0', to: '1.1.0', output: 'late' });
  expect(made.exitCode, made.log).toBe(0);
  const inputs = { channel: 'stable', version: '1.1.0', url: 'https://example.com/{version}/{file}' };
  const { exitCode, log } = await run('promote', { ...inputs, deltas: 'late' });
  expect(exitCode, log).toBe(0);
  const channel = parseChannel(readFileSync(path.join(checkOut(), 'ota/stable/ota.json')));
  expect(channel.deltas).toMatchObject([{ from: '1.0.0', to: '1.1.0', platform: here }]);
  expect(api.pages.flatMap((page) => page.assets)).toMatchObject([
    { name: channel.deltas[0]!.file, size: channel.deltas[0]!.size, sha256: channel.deltas[0]!.sha256 },
  ]);
}, 120_000);

test.each([
  ['channel', { channel: '' }],
  ['sign-key', { 'sign-key': '' }],
  ['valid-days', { 'valid-days': 'soon' }],
  ['folder', { folder: '../elsewhere' }],
  ['deltas', { deltas: 'nowhere' }],
])('the input %s is refused where it is wrong, and nothing is pushed', async (name, wrong) => {
  await release('1.0.0');
  const { exitCode, annotations } = await run('promote', { channel: 'stable', version: '1.0.0', ...wrong });
  expect(exitCode).toBe(1);
  expect(annotations[0]!.properties.title).toBe(`reading the input ${name}`);
  expect(execFileSync('git', ['-C', remote, 'branch', '--list'], { encoding: 'utf8' })).toBe('');
});
