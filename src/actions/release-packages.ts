import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { downloadFile } from '../fetch/download.ts';
import type { Progress } from '../progress.ts';
import { findPage } from './publish-page.ts';
import { refused } from './release-assets.ts';

export interface ReleasePackagesRequest {
  /** Without `v`. */
  version: string;
  /** Absolute: where the packages go. */
  directory: string;
  token: string | undefined;
  progress: Progress;
  signal: AbortSignal;
}

/**
 * Fetches the packages of a published release as everyone does who installs them: without the token, checked against
 * the sums that GitHub lists. Returns the address that all files of the release lie below.
 */
export async function fetchReleasePackages(request: ReleasePackagesRequest): Promise<string> {
  const { version, directory, token, progress, signal } = request;
  const { tag, draft, assets } = await findPage(version, token);
  if (draft) {
    throw refused(`the page of ${tag} is a draft, whose packages nobody can fetch`, 'publish it first', doing);
  }
  const debs = assets.filter(({ name }) => name.endsWith('.deb'));
  const [first] = debs;
  if (first === undefined) throw refused(`${tag} has no packages`, 'put some there: `build-debs` does', doing);
  const unknown = debs.find(({ digest }) => !digest?.startsWith('sha256:'));
  if (unknown !== undefined) {
    const because = `GitHub lists no sha256 of ${unknown.name}`;
    throw refused(because, 'put the file there again; an older Enterprise Server lists none', doing);
  }
  await mkdir(directory, { recursive: true });
  for (const { name, digest, browser_download_url: url } of debs) {
    await downloadFile({
      url,
      sha256: digest!.slice('sha256:'.length),
      partial: path.join(directory, path.basename(name)),
      name,
      progress,
      signal,
      wrongSum: (found) => refused(`${name} has the sum ${found}, and GitHub lists ${digest}`, 'run it again', doing),
    });
  }
  return first.browser_download_url.slice(0, first.browser_download_url.lastIndexOf('/'));
}

const doing = 'fetching the packages of the release';
