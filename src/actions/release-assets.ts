import * as core from '@actions/core';
import { createHash } from 'node:crypto';
import { createReadStream, openAsBlob } from 'node:fs';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { assetLimit, assetNameOf } from '../apt/file-names.ts';
import { Failure } from '../failure.ts';

export type Repos = ReturnType<typeof import('@actions/github').getOctokit>['rest']['repos'];

export interface ReleaseAddress {
  owner: string;
  repo: string;
  id: number;
  upload_url: string;
}

/**
 * Puts files on a release page. What is there already with the same bytes stays; what broke off, or differs, is replaced.
 * `tooLarge`: what becomes of files that GitHub does not take; refused before any is sent.
 */
export async function uploadAssets(
  repos: Repos,
  release: ReleaseAddress,
  files: readonly string[],
  tooLarge: 'skip' | 'refuse',
): Promise<void> {
  const { owner, repo, id } = release;
  const sized = await Promise.all(files.map(async (file) => ({ file, size: (await stat(file)).size })));
  const large = sized.find(({ size }) => size >= assetLimit);
  if (large !== undefined && tooLarge === 'refuse') {
    const because = `${path.basename(large.file)} is larger than the 2 GiB that a release page takes`;
    throw refused(because, 'divide it (`split:` of a package), or upload it as an artifact of the run');
  }
  // Uploads go to a host of their own, another one on an Enterprise Server.
  const baseUrl = release.upload_url.slice(0, release.upload_url.indexOf('/repos/'));
  const assets = await listAssets(repos, release);
  for (const { file, size } of sized) {
    const name = path.basename(file);
    const there = assets.find((asset) => asset.name === assetNameOf(name));
    if (there?.state === 'uploaded' && there.size === size && (await isSame(file, there.digest))) continue;
    if (size >= assetLimit) {
      core.warning(`${name} is larger than the 2 GiB that a release page takes; the artifact of this run has it`);
      continue;
    }
    // What broke off, or is of another build.
    if (there !== undefined) await repos.deleteReleaseAsset({ owner, repo, asset_id: there.id });
    const headers = { 'content-type': 'application/octet-stream' };
    // A Blob of a file is read as it is sent; the types know texts only.
    const data = (await openAsBlob(file)) as unknown as string;
    await repos.uploadReleaseAsset({ owner, repo, release_id: id, baseUrl, name, data, headers });
    core.info(`${name} is on the release page`);
  }
}

/** Of two files with one name on the page, each would replace the other: throws a Failure. */
export function refuseSameNames(files: readonly string[]): void {
  const taken = new Map<string, string>();
  for (const file of files.map((each) => path.basename(each))) {
    const other = taken.get(assetNameOf(file));
    if (other !== undefined) {
      const because = `${other} and ${file} are both ${assetNameOf(file)} on a release page`;
      throw refused(because, 'rename one of them, or leave it out');
    }
    taken.set(assetNameOf(file), file);
  }
}

export async function listAssets(repos: Repos, { owner, repo, id }: Omit<ReleaseAddress, 'upload_url'>) {
  const assets: Awaited<ReturnType<Repos['listReleaseAssets']>>['data'] = [];
  for (let page = 1; ; page += 1) {
    const { data } = await repos.listReleaseAssets({ owner, repo, release_id: id, per_page: 100, page });
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

export function refused(because: string, fix: string, doing = 'making the release page'): Failure {
  return new Failure({ doing, because, fix });
}
