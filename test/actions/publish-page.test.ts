import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { publishReleasePage } from '../../src/actions/publish-page.ts';
import { silent, type Progress } from '../../src/progress.ts';
import { startGitHubApi, type GitHubApi } from '../support/github-api.ts';

const token = 'ghs_release-page-token';
const delta = Buffer.alloc(300_000, 'delta');

let api: GitHubApi;
let directory: string;
// The client reads the address once, when it is loaded.
beforeAll(async () => {
  api = await startGitHubApi(token);
});
afterAll(() => api.close());
beforeEach(() => {
  api.pages.length = 0;
  api.requests.length = 0;
  api.failUploads = 0;
  directory = mkdtempSync(path.join(tmpdir(), 'imgbuild-page-'));
  writeFileSync(path.join(directory, 'a.ota.tar'), delta);
  writeFileSync(path.join(directory, 'release.json'), '{}\n');
  writeFileSync(path.join(directory, 'subjects.txt'), 'for the workflow alone\n');
  writeFileSync(path.join(directory, 'page.md'), 'for the workflow alone\n');
  vi.stubEnv('GITHUB_API_URL', api.url);
  vi.stubEnv('GITHUB_REPOSITORY', 'acme/app');
  vi.stubEnv('GITHUB_SHA', 'a'.repeat(40));
  vi.stubEnv('GITHUB_REF_TYPE', 'branch');
  vi.stubEnv('GITHUB_REF_NAME', 'main');
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true, force: true });
});

const quietly = { progress: silent, signal: new AbortController().signal };
const publish = (version: string, given: string | undefined = token) =>
  publishReleasePage({ ...quietly, version, body: `what is in ${version}`, directory, token: given });

test('the page is a draft until all files are there', async () => {
  const address = await publish('1.2.0');
  expect(address).toBe('https://github.com/acme/app/releases/tag/v1.2.0');
  expect(api.pages).toMatchObject([
    { tag_name: 'v1.2.0', name: '1.2.0', body: 'what is in 1.2.0', draft: false, prerelease: false },
  ]);
  const sha256 = createHash('sha256').update(delta).digest('hex');
  expect(api.pages[0]!.assets).toMatchObject([
    { name: 'a.ota.tar', size: delta.length, sha256 },
    { name: 'release.json' },
  ]);
  expect(api.requests.map((line) => line.split(' ')[0])).toEqual(['GET', 'POST', 'GET', 'POST', 'POST', 'PATCH']);
});

test('a run that broke off leaves a draft, and the next one completes it', async () => {
  api.failUploads = 3;
  await expect(publish('1.2.0')).rejects.toMatchObject({
    because: expect.stringContaining('GitHub answered 502') as string,
    fix: expect.stringContaining('run the job again') as string,
  });
  expect(api.pages).toMatchObject([{ draft: true, assets: [{ name: 'a.ota.tar', state: 'open' }] }]);
  await publish('1.2.0');
  expect(api.pages).toHaveLength(1);
  expect(api.pages[0]).toMatchObject({ draft: false });
  expect(api.pages[0]!.assets).toHaveLength(2);
});

test('an upload that breaks off is sent again, in place of what GitHub has kept of it', async () => {
  api.failUploads = 2;
  await publish('1.2.0');
  const sha256 = createHash('sha256').update(delta).digest('hex');
  expect(api.pages[0]).toMatchObject({ draft: false });
  expect(api.pages[0]!.assets).toMatchObject([
    { name: 'a.ota.tar', state: 'uploaded', sha256 },
    { name: 'release.json' },
  ]);
});

test('what is sent is told as it goes', async () => {
  const told = { label: '', total: 0, bytes: 0, ended: false };
  const progress: Progress = {
    ...silent,
    transfer: (label, total = 0) => {
      if (!label.includes('a.ota.tar')) return silent.transfer(label);
      Object.assign(told, { label, total });
      return { add: (bytes) => (told.bytes += bytes), end: () => (told.ended = true) };
    },
  };
  await publishReleasePage({ ...quietly, progress, version: '1.2.0', body: '', directory, token });
  const label = 'uploading a.ota.tar';
  expect(told).toEqual({ label, total: delta.length, bytes: delta.length, ended: true });
});

/** An asset as GitHub lists it; its digest is null where the server tells none. */
function asset(id: number, name: string, size: number, digest: string | null = null) {
  return { id, name, size, state: 'uploaded' as const, sha256: 'kept', digest };
}

test('a file of another build in a draft is replaced, the same one is not sent again', async () => {
  writeFileSync(path.join(directory, 'SHA256SUMS'), 'the sums of this build\n');
  writeFileSync(path.join(directory, 'z.deb'), 'of no known digest\n');
  api.failUploads = 3;
  await publish('1.2.0').catch(() => {});
  const same = `sha256:${createHash('sha256').update('{}\n').digest('hex')}`;
  api.pages[0]!.assets = [
    asset(90, 'a.ota.tar', 5),
    asset(91, 'release.json', 3, same),
    asset(92, 'SHA256SUMS', 23, `sha256:${'0'.repeat(64)}`),
    asset(93, 'z.deb', 19),
  ];
  await publish('1.2.0');
  const digest = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex');
  expect(api.pages[0]!.assets.map(({ name, sha256 }) => [name, sha256])).toEqual([
    ['release.json', 'kept'],
    ['SHA256SUMS', digest('the sums of this build\n')],
    ['a.ota.tar', digest(delta)],
    ['z.deb', digest('of no known digest\n')],
  ]);
});

test("a file that GitHub lists by another name is the same file: a pre-release's packages", async () => {
  const deb = path.join(directory, 'app_2:1.0.0~rc.1_amd64.deb');
  writeFileSync(deb, 'first');
  await publish('1.0.0-rc.1');
  const listed = () => api.pages[0]!.assets.filter(({ name }) => name.endsWith('.deb'));
  expect(listed()).toMatchObject([{ name: 'app_2.1.0.0.rc.1_amd64.deb', size: 5 }]);
  const { id } = listed()[0]!;
  api.pages[0]!.draft = true;
  await publish('1.0.0-rc.1');
  expect(listed()).toMatchObject([{ id }]);
  api.pages[0]!.draft = true;
  writeFileSync(deb, 'other');
  await publish('1.0.0-rc.1');
  expect(listed()).toMatchObject([{ name: 'app_2.1.0.0.rc.1_amd64.deb' }]);
  expect(listed()[0]!.id).not.toBe(id);
});

test('two files that GitHub would list by one name are refused, and neither replaces the other', async () => {
  writeFileSync(path.join(directory, 'app_1~rc1_amd64.deb'), 'one');
  writeFileSync(path.join(directory, 'app_1.rc1_amd64.deb'), 'two');
  await expect(publish('1.0.0')).rejects.toMatchObject({
    because: 'app_1.rc1_amd64.deb and app_1~rc1_amd64.deb are both app_1.rc1_amd64.deb on a release page',
  });
  expect(api.requests.filter((line) => line.includes('/assets'))).toEqual([]);
});

test('a draft with more files than one answer lists is completed', async () => {
  api.failUploads = 3;
  await publish('1.2.0').catch(() => {});
  const many = Array.from({ length: 100 }, (_, at) => asset(1000 + at, `other-${at}.deb`, 1));
  const all = [...many, asset(91, 'release.json', 5)];
  // GitHub lists a hundred at a time.
  const toJSON = () => {
    const page = Number(new URLSearchParams(api.requests.at(-1)!.split('?')[1]).get('page') ?? 1);
    return all.slice(100 * (page - 1), 100 * page);
  };
  api.pages[0]!.assets = Object.assign([...all], { toJSON });
  await publish('1.2.0');
  expect(api.pages[0]!.assets.filter(({ name }) => name === 'release.json')).toMatchObject([{ size: 3 }]);
  expect(api.pages[0]).toMatchObject({ draft: false });
});

test('more files than a page takes are refused before any is sent', async () => {
  api.failUploads = 3;
  await publish('1.2.0').catch(() => {});
  const all = Array.from({ length: 999 }, (_, at) => asset(1000 + at, `other-${at}.deb`, 1));
  const toJSON = () => {
    const page = Number(new URLSearchParams(api.requests.at(-1)!.split('?')[1]).get('page') ?? 1);
    return all.slice(100 * (page - 1), 100 * page);
  };
  api.pages[0]!.assets = Object.assign([...all], { toJSON });
  api.requests.length = 0;
  await expect(publish('1.2.0')).rejects.toMatchObject({
    because: 'a release page takes 1000 files, and these would be 1001 with those that it has',
  });
  expect(api.requests.filter((line) => !line.startsWith('GET '))).toEqual([]);
});

test('a published page stays as it is', async () => {
  await publish('1.2.0');
  const before = JSON.stringify(api.pages);
  writeFileSync(path.join(directory, 'release.json'), '{ }\n');
  await publish('1.2.0');
  expect(JSON.stringify(api.pages)).toBe(before);
});

test('a pre-release is marked as one, and the tag that started the workflow is used', async () => {
  vi.stubEnv('GITHUB_REF_TYPE', 'tag');
  vi.stubEnv('GITHUB_REF_NAME', '1.3.0-rc.1');
  await publish('1.3.0-rc.1');
  expect(api.pages).toMatchObject([{ tag_name: '1.3.0-rc.1', prerelease: true }]);
});

test('a token without rights is told which right is missing', async () => {
  vi.stubEnv('GITHUB_REPOSITORY', 'acme/other');
  await expect(publish('1.2.0')).rejects.toMatchObject({ fix: 'give the job the permission `contents: write`' });
});

test('an interface that does not answer is not called an answer', async () => {
  await api.close();
  await expect(publish('1.2.0')).rejects.toMatchObject({ because: expect.not.stringContaining('answered') as string });
});
