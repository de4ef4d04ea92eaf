import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { addToReleasePage, findPage, publishReleasePage } from '../../src/actions/publish-page.ts';
import { silent } from '../../src/progress.ts';
import { startGitHubApi, type GitHubApi } from '../support/github-api.ts';
import { findings, type GitHubCall } from '../support/github-description.ts';

const token = 'ghs_description-token';

// A compiler of its own, on a machine that may be busy.
vi.setConfig({ testTimeout: 120_000 });

let api: GitHubApi;
let directory: string;
beforeAll(async () => {
  api = await startGitHubApi(token);
  directory = mkdtempSync(path.join(tmpdir(), 'imgbuild-description-'));
  vi.stubEnv('GITHUB_API_URL', api.url);
  vi.stubEnv('GITHUB_REPOSITORY', 'acme/app');
  vi.stubEnv('GITHUB_SHA', 'a'.repeat(40));
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await api.close();
  rmSync(directory, { recursive: true, force: true });
});

test("every request that a release page takes is one that GitHub's description has", async () => {
  const common = { token, progress: silent, signal: new AbortController().signal };
  const deb = path.join(directory, 'app_1.0.0.rc.1_all.deb');
  writeFileSync(deb, 'first');
  await addToReleasePage({ ...common, version: '1.0.0-rc.1', body: 'packages', files: [deb], draft: true });
  writeFileSync(deb, 'other');
  api.failUploads = 1;
  await addToReleasePage({ ...common, version: '1.0.0-rc.1', files: [deb], draft: false });
  await publishReleasePage({ ...common, version: '1.0.0', body: 'what is in it', directory });
  await findPage('1.0.0', token);
  const operations = new Set(api.calls.map((call) => `${call.method} ${call.path.replaceAll(/\d+/g, 'N')}`));
  expect([...operations].toSorted()).toEqual([
    'DELETE /repos/acme/app/releases/assets/N',
    'GET /repos/acme/app/releases',
    'GET /repos/acme/app/releases/N/assets',
    'PATCH /repos/acme/app/releases/N',
    'POST /repos/acme/app/releases',
    'POST /repos/acme/app/releases/N/assets',
  ]);
  expect(findings(api.calls)).toEqual([]);
});

const json = 'application/json';
const body = { tag_name: 'v1.0.0', draft: true };
const wrong: [string, Partial<GitHubCall>, RegExp][] = [
  ['a path that there is not', { path: '/release' }, /no such path/],
  ['a method that the path has not', { method: 'PUT' }, /'put' does not exist|"put"/],
  ['a body without what is required', { json: { draft: true } }, /'tag_name' is missing/],
  ['a field that there is not', { json: { ...body, pre_release: true } }, /'"pre_release"' does not exist/],
  ['a field of another type', { json: { ...body, draft: 'yes' } }, /not assignable to type 'boolean/],
  ['a body of another type', { contentType: 'text/plain' }, /'text\/plain' does not exist/],
  ['a parameter that there is not', { query: { name: 'x' } }, /not assignable to type 'never'/],
  ['a body that is missing', { contentType: undefined }, /a body is required/],
  ['a number that is none', { method: 'GET', path: '/releases/first', contentType: undefined }, /type 'number'/],
  [
    'a parameter that is missing',
    { path: '/releases/1/assets', contentType: 'application/octet-stream', json: undefined },
    /'name' is missing/,
  ],
  ['an answer that GitHub does not give', { answer: { status: 201, json: { tag: 'v1' } } }, /'"tag"' does not exist/],
];

test('a request that the description has not is found', () => {
  const good: GitHubCall = { method: 'POST', path: '/releases', query: {}, contentType: json, json: body };
  const calls = wrong.map(([, change], at) => {
    const call = { ...good, ...change };
    return { ...call, path: `/repos/acme/app-${at}${call.path}` };
  });
  const found = findings([{ ...good, path: '/repos/acme/good/releases' }, ...calls]);
  expect(found.filter((each) => each.includes('/good/'))).toEqual([]);
  for (const [at, [what, , message]] of wrong.entries()) {
    expect(found.filter((each) => each.includes(`/app-${at}/`)).join('\n'), what).toMatch(message);
  }
});
