import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { installPackages } from '../../scripts/support/apt.ts';
import { addToReleasePage } from '../../src/actions/publish-page.ts';
import { silent } from '../../src/progress.ts';
import { generateSigningKey } from '../../src/signing/generate-key.ts';
import { makeDeb } from '../apt/support/make-deb.ts';
import { readArchive } from '../apt/support/read-archive.ts';
import { removeJob, runAction, type ActionResult } from '../support/action-run.ts';
import { startGitHubApi, type GitHubApi } from '../support/github-api.ts';

const { signal } = new AbortController();
const token = 'ghs_publish-apt-token';

let api: GitHubApi;
let key: string;
let work: string;
/** What GitHub keeps of acme/app. */
let remote: string;
const results: ActionResult[] = [];
beforeAll(async () => {
  await installPackages(['git', 'xz-utils', 'gpgv'], () => {});
  api = await startGitHubApi(token);
  key = (await generateSigningKey('Acme <packages@example.com>')).privateKey;
}, 120_000);
afterAll(() => api.close());
beforeEach(() => {
  api.pages.length = 0;
  work = mkdtempSync(path.join(tmpdir(), 'imgbuild-publish-apt-'));
  remote = path.join(work, 'acme/app');
  execFileSync('git', ['init', '--quiet', '--bare', remote]);
  vi.stubEnv('GITHUB_API_URL', api.url);
  vi.stubEnv('GITHUB_REPOSITORY', 'acme/app');
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  for (const result of results.splice(0)) removeJob(result);
  rmSync(work, { recursive: true, force: true });
});

/** A release that is published, with one package. */
async function release(version: string, debian = version): Promise<void> {
  const deb = await makeDeb(path.join(work, 'made'), { name: 'hello', version: debian });
  await addToReleasePage({ version, files: [deb], draft: true, token, progress: silent, signal });
  api.pages.at(-1)!.draft = false;
}

async function run(version: string, inputs: Record<string, string> = {}): Promise<ActionResult> {
  const env = { GITHUB_API_URL: api.url, GITHUB_REPOSITORY: 'acme/app', GITHUB_SERVER_URL: `file://${work}` };
  const result = await runAction('publish-apt', work, { version, token, 'sign-key': key, ...inputs }, env);
  results.push(result);
  return result;
}

/** A branch as whoever clones it finds it. */
function checkOut(branch: string): string {
  const folder = mkdtempSync(path.join(work, 'clone-'));
  execFileSync('git', ['clone', '--quiet', '--branch', branch, remote, folder], { stdio: 'pipe' });
  return folder;
}
const commits = (branch: string) =>
  Number(execFileSync('git', ['-C', remote, 'rev-list', '--count', branch], { encoding: 'utf8' }));

test('the packages of a release are listed on a new branch, and stay on the release page', async () => {
  await release('1.0.0-rc.1', '1.0.0~rc.1');
  const { exitCode, outputs, log, summary } = await run('1.0.0-rc.1');
  expect(exitCode, log).toBe(0);
  expect(outputs.changed).toBe('true');
  expect(JSON.parse(outputs.added!)).toMatchObject([
    { name: 'hello', version: '1.0.0~rc.1', architecture: 'all' },
    { name: 'app-archive-keyring', version: '1' },
  ]);
  expect(summary).toContain('### apt repository, stable');
  const site = checkOut('gh-pages');
  expect(readArchive(site)).toMatchObject([
    { Package: 'app-archive-keyring' },
    { Package: 'hello', Version: '1.0.0~rc.1', Filename: 'v1.0.0-rc.1/hello_1.0.0.rc.1_all.deb' },
  ]);
  expect(readdirSync(site)).toContain('.nojekyll');
  expect(existsSync(path.join(site, 'pool'))).toBe(false);
  expect(readFileSync(path.join(site, 'mirrors.txt'), 'utf8')).toBe(
    `https://acme.github.io/app/\ttype:index\n${api.url}/acme/app/releases/download/\ttype:deb\n`,
  );
  // What the indexes name is there to fetch.
  for (const { Filename } of readArchive(site)) {
    expect((await fetch(`${api.url}/acme/app/releases/download/${Filename}`)).status).toBe(200);
  }
});

test('the next release is added, and the same one again changes nothing', async () => {
  await release('1.0.0');
  await run('1.0.0', { branch: 'pages', folder: 'apt' });
  await release('1.1.0');
  const next = await run('1.1.0', { branch: 'pages', folder: 'apt' });
  expect(next.exitCode, next.log).toBe(0);
  expect(JSON.parse(next.outputs.added!)).toMatchObject([{ name: 'hello', version: '1.1.0' }]);
  const assets = JSON.stringify(api.pages.map((page) => page.assets));
  const again = await run('1.1.0', { branch: 'pages', folder: 'apt' });
  expect(again.exitCode, again.log).toBe(0);
  expect(again.outputs).toMatchObject({ added: '[]', changed: 'false' });
  expect(commits('pages')).toBe(2);
  expect(JSON.stringify(api.pages.map((page) => page.assets))).toBe(assets);
  const listed = readArchive(path.join(checkOut('pages'), 'apt')).filter(({ Package }) => Package === 'hello');
  expect(listed.map(({ Filename }) => Filename).toSorted()).toEqual([
    'v1.0.0/hello_1.0.0_all.deb',
    'v1.1.0/hello_1.1.0_all.deb',
  ]);
}, 120_000);

test('what else the branch has stays, and no key and no token is in it or in the log', async () => {
  const site = path.join(work, 'site');
  mkdirSync(site);
  writeFileSync(path.join(site, 'manual.html'), 'a manual\n');
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', site, '-c', 'user.name=a', '-c', 'user.email=a@example.com', ...args]);
  git('init', '--quiet', '--initial-branch=gh-pages');
  git('add', '.');
  git('commit', '--quiet', '--message=Manual');
  git('push', '--quiet', remote, 'gh-pages');
  await release('1.0.0');
  const { exitCode, log } = await run('1.0.0');
  expect(exitCode, log).toBe(0);
  const published = checkOut('gh-pages');
  expect(readFileSync(path.join(published, 'manual.html'), 'utf8')).toBe('a manual\n');
  expect(commits('gh-pages')).toBe(2);
  const printed = log.split('\n').filter((line) => !line.startsWith('::add-mask::'));
  const secrets = [token, key.split('\n').at(4)!, Buffer.from(`x-access-token:${token}`).toString('base64')];
  for (const secret of secrets) {
    expect(printed.join('\n')).not.toContain(secret);
    expect(() => execFileSync('grep', ['-rqF', '-e', secret, published])).toThrow();
  }
});

test('a draft, a release that is not there, and one without packages are told apart, and nothing is pushed', async () => {
  await release('1.0.0');
  api.pages[0]!.draft = true;
  expect((await run('1.0.0')).annotations[0]!.message).toContain('the page of v1.0.0 is a draft');
  expect((await run('2.0.0')).annotations[0]!.message).toContain('v2.0.0 has no page under Releases');
  api.pages[0]!.draft = false;
  api.pages[0]!.assets = [];
  expect((await run('1.0.0')).annotations[0]!.message).toContain('v1.0.0 has no packages');
  expect(execFileSync('git', ['-C', remote, 'branch', '--list'], { encoding: 'utf8' })).toBe('');
}, 120_000);

test.each([
  ['sign-key', ''],
  ['folder', '.git/hooks'],
  ['keep', '0'],
  ['base-url', 'https://user:secret@example.com/'],
])('the input %s is refused where it is %j', async (name, value) => {
  const { exitCode, annotations } = await run('1.0.0', { [name]: value });
  expect(exitCode).toBe(1);
  expect(annotations[0]!.properties.title).toBe(`reading the input ${name}`);
});
