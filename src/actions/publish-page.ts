import * as core from '@actions/core';
import { createHash } from 'node:crypto';
import { createReadStream, openAsBlob } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { assetLimit, assetNameOf } from '../apt/file-names.ts';
import { Failure } from '../failure.ts';

export interface ReleasePageRequest {
  /** Without `v`. */
  version: string;
  /** Markdown. */
  body: string;
  /** Its files become the page's. */
  directory: string;
  token: string | undefined;
}

/** Files that are for the workflow itself. */
const internal = new Set(['subjects.txt', 'page.md']);

/**
 * Makes the page of a release under Releases of the repository, or completes one that a former run began: a draft until
 * all files are there, so that nobody sees half of it. A published page keeps its text and files. Returns its address.
 */
export async function publishReleasePage({ version, body, directory, token }: ReleasePageRequest): Promise<string> {
  if (token === undefined) throw refused('there is no token', 'leave `token:` at its default, or release-page false');
  const { getOctokit } = await import('@actions/github');
  const [owner, repo] = (process.env.GITHUB_REPOSITORY ?? '').split('/') as [string, string];
  const { repos } = getOctokit(token).rest;
  const tag = tagOf(version, process.env);
  try {
    const found = await findRelease(repos, owner, repo, tag);
    if (found !== undefined && !found.draft) return found.html_url;
    const release =
      found ??
      (
        await repos.createRelease({
          owner,
          repo,
          tag_name: tag,
          target_commitish: process.env.GITHUB_SHA ?? '',
          name: version,
          body,
          draft: true,
          prerelease: version.includes('-'),
        })
      ).data;
    // Uploads go to a host of their own, another one on an Enterprise Server.
    const uploads = release.upload_url.slice(0, release.upload_url.indexOf('/repos/'));
    await upload(repos, { owner, repo, release_id: release.id }, uploads, directory);
    const { data } = await repos.updateRelease({ owner, repo, release_id: release.id, body, draft: false });
    return data.html_url;
  } catch (error) {
    const { status, response } = error as { status?: number; response?: unknown };
    if (status === undefined || error instanceof Failure) throw error;
    const { message } = error as Error;
    const again = 'run the job again: it goes on where this one ended';
    // The client calls it a 500 when no answer came.
    if (response === undefined) throw refused(message, again);
    const rights = status === 403 || status === 404;
    const fix = rights ? 'give the job the permission `contents: write`' : again;
    throw refused(`GitHub answered ${status}: ${message}`, fix);
  }
}

type Repos = ReturnType<typeof import('@actions/github').getOctokit>['rest']['repos'];

/** Drafts have no address by tag: they are only in the list. */
async function findRelease(repos: Repos, owner: string, repo: string, tag: string) {
  for (let page = 1; ; page += 1) {
    const { data } = await repos.listReleases({ owner, repo, per_page: 100, page });
    const found = data.find((release) => release.tag_name === tag);
    if (found !== undefined || data.length < 100) return found;
  }
}

async function upload(
  repos: Repos,
  release: { owner: string; repo: string; release_id: number },
  uploads: string,
  directory: string,
): Promise<void> {
  const files = (await readdir(directory)).filter((one) => !internal.has(one)).toSorted();
  refuseSameNames(files);
  const assets = await listAssets(repos, release);
  for (const name of files) {
    const file = path.join(directory, name);
    const { size } = await stat(file);
    const there = assets.find((asset) => asset.name === assetNameOf(name));
    if (there?.state === 'uploaded' && there.size === size && (await isSame(file, there.digest))) continue;
    if (size >= assetLimit) {
      core.warning(`${name} is larger than the 2 GiB that a release page takes; the artifact of this run has it`);
      continue;
    }
    // What broke off, or is of another build.
    if (there !== undefined) {
      await repos.deleteReleaseAsset({ owner: release.owner, repo: release.repo, asset_id: there.id });
    }
    const headers = { 'content-type': 'application/octet-stream' };
    // A Blob of a file is read as it is sent; the types know texts only.
    const data = (await openAsBlob(file)) as unknown as string;
    await repos.uploadReleaseAsset({ ...release, baseUrl: uploads, name, data, headers });
    core.info(`${name} is on the release page`);
  }
}

/** Of two files with one name on the page, each would replace the other. */
function refuseSameNames(files: readonly string[]): void {
  const taken = new Map<string, string>();
  for (const file of files) {
    const other = taken.get(assetNameOf(file));
    if (other !== undefined) {
      const because = `${other} and ${file} are both ${assetNameOf(file)} on a release page`;
      throw refused(because, 'rename one of them, or leave it out');
    }
    taken.set(assetNameOf(file), file);
  }
}

async function listAssets(repos: Repos, release: { owner: string; repo: string; release_id: number }) {
  const assets: Awaited<ReturnType<Repos['listReleaseAssets']>>['data'] = [];
  for (let page = 1; ; page += 1) {
    const { data } = await repos.listReleaseAssets({ ...release, per_page: 100, page });
    assets.push(...data);
    if (data.length < 100) return assets;
  }
}

/** SHA256SUMS of two builds are of one size. An Enterprise Server may tell no digest: then nothing counts as the same. */
async function isSame(file: string, digest: string | null | undefined): Promise<boolean> {
  if (typeof digest !== 'string') return false;
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return digest === `sha256:${hash.digest('hex')}`;
}

/** The tag that started the workflow where it stands for this version, else the version with `v`. */
function tagOf(version: string, env: NodeJS.ProcessEnv): string {
  const { GITHUB_REF_TYPE, GITHUB_REF_NAME } = env;
  return GITHUB_REF_TYPE === 'tag' && GITHUB_REF_NAME?.replace(/^v/, '') === version ? GITHUB_REF_NAME : `v${version}`;
}

function refused(because: string, fix: string): Failure {
  return new Failure({ doing: 'making the release page', because, fix });
}
