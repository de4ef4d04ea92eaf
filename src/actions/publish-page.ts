import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { Failure } from '../failure.ts';
import type { Progress } from '../progress.ts';
import { listAssets, refuseSameNames, refused, uploadAssets, type Repos } from './release-assets.ts';

export interface ReleasePageRequest {
  /** Without `v`. */
  version: string;
  /** Markdown. */
  body: string;
  /** Its files become the page's. */
  directory: string;
  token: string | undefined;
  progress: Progress;
  signal: AbortSignal;
}

export interface AddToPageRequest {
  /** Without `v`. */
  version: string;
  /** Markdown; of a page that is not there yet. */
  body?: string;
  /** Absolute paths. */
  files: readonly string[];
  /** Leaves a draft one: whoever publishes it knows when it is whole. */
  draft: boolean;
  token: string | undefined;
  progress: Progress;
  signal: AbortSignal;
}

export interface ReleasePage {
  tag: string;
  /** Nobody but the repository's own people sees it yet. */
  draft: boolean;
  assets: Awaited<ReturnType<typeof listAssets>>;
}

/** Files that are for the workflow itself. */
const internal = new Set(['subjects.txt', 'page.md']);

/**
 * Makes the page of a release under Releases of the repository, or completes one that a former run began: a draft until
 * all files are there, so that nobody sees half of it. A published page keeps its text and files. Returns its address.
 */
export async function publishReleasePage(request: ReleasePageRequest): Promise<string> {
  const { version, body, directory, token, progress, signal } = request;
  const names = (await readdir(directory)).filter((one) => !internal.has(one)).toSorted();
  const files = names.map((name) => path.join(directory, name));
  refuseSameNames(files);
  return onPage(token, async (repos, owner, repo) => {
    const found = await findRelease(repos, owner, repo, tagOf(version, process.env));
    if (found !== undefined && !found.draft) return found.html_url;
    const release = found ?? (await makeDraft(repos, owner, repo, version, body));
    await uploadAssets(repos, { owner, repo, ...release }, files, { tooLarge: 'skip', progress, signal });
    const { data } = await repos.updateRelease({ owner, repo, release_id: release.id, body, draft: false });
    return data.html_url;
  });
}

/**
 * Puts files on the page of a release, published or not, and takes the place of those of the same name that differ.
 * Where there is no page one is made. Returns its address.
 */
export async function addToReleasePage(request: AddToPageRequest): Promise<string> {
  const { version, body = '', files, draft, token, progress, signal } = request;
  refuseSameNames(files);
  return onPage(token, async (repos, owner, repo) => {
    const found = await findRelease(repos, owner, repo, tagOf(version, process.env));
    const release = found ?? (await makeDraft(repos, owner, repo, version, body));
    await uploadAssets(repos, { owner, repo, ...release }, files, { tooLarge: 'refuse', progress, signal });
    if (draft || !release.draft) return release.html_url;
    const { data } = await repos.updateRelease({ owner, repo, release_id: release.id, draft: false });
    return data.html_url;
  });
}

/** The page of a release that is there, with its files. Throws a Failure where there is none. */
export async function findPage(version: string, token: string | undefined): Promise<ReleasePage> {
  return onPage(token, async (repos, owner, repo) => {
    const tag = tagOf(version, process.env);
    const found = await findRelease(repos, owner, repo, tag);
    if (found === undefined) {
      throw refused(`${tag} has no page under Releases`, 'release it first', `looking for the release ${version}`);
    }
    return { tag, draft: found.draft, assets: await listAssets(repos, { owner, repo, ...found }) };
  });
}

/** Says what GitHub's answers mean for whoever runs the workflow. */
async function onPage<T>(
  token: string | undefined,
  work: (repos: Repos, owner: string, repo: string) => Promise<T>,
): Promise<T> {
  if (token === undefined) throw refused('there is no token', 'leave `token:` at its default, or publish nothing');
  const { getOctokit } = await import('@actions/github');
  const [owner, repo] = (process.env.GITHUB_REPOSITORY ?? '').split('/') as [string, string];
  try {
    return await work(getOctokit(token).rest.repos, owner, repo);
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

async function makeDraft(repos: Repos, owner: string, repo: string, version: string, body: string) {
  const { data } = await repos.createRelease({
    owner,
    repo,
    tag_name: tagOf(version, process.env),
    target_commitish: process.env.GITHUB_SHA ?? '',
    name: version,
    body,
    draft: true,
    prerelease: version.includes('-'),
  });
  return data;
}

/** Drafts have no address by tag: they are only in the list. */
async function findRelease(repos: Repos, owner: string, repo: string, tag: string) {
  for (let page = 1; ; page += 1) {
    const { data } = await repos.listReleases({ owner, repo, per_page: 100, page });
    const found = data.find((release) => release.tag_name === tag);
    if (found !== undefined || data.length < 100) return found;
  }
}

/** The tag that started the workflow where it stands for this version, else the version with `v`. */
function tagOf(version: string, env: NodeJS.ProcessEnv): string {
  const { GITHUB_REF_TYPE, GITHUB_REF_NAME } = env;
  return GITHUB_REF_TYPE === 'tag' && GITHUB_REF_NAME?.replace(/^v/, '') === version ? GITHUB_REF_NAME : `v${version}`;
}
