import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { assetCountLimit, assetLimit, assetNameOf } from '../apt/file-names.ts';
import { Failure } from '../failure.ts';
import type { Progress } from '../progress.ts';

export type Repos = ReturnType<typeof import('@actions/github').getOctokit>['rest']['repos'];

export interface ReleaseAddress {
  owner: string;
  repo: string;
  id: number;
  upload_url: string;
}

export interface UploadOptions {
  /** What becomes of files that GitHub does not take; refused before any is sent. */
  tooLarge: 'skip' | 'refuse';
  progress: Progress;
  signal: AbortSignal;
}

type Asset = Awaited<ReturnType<typeof listAssets>>[number];

/** Before the second and the third attempt; milliseconds. */
const pauses = [1000, 4000];

/** Puts files on a release page. What is there already with the same bytes stays; what broke off, or differs, is replaced. */
export async function uploadAssets(
  repos: Repos,
  release: ReleaseAddress,
  files: readonly string[],
  options: UploadOptions,
): Promise<void> {
  const sized = await Promise.all(files.map(async (file) => ({ file, size: (await stat(file)).size })));
  const large = sized.find(({ size }) => size >= assetLimit);
  if (large !== undefined && options.tooLarge === 'refuse') {
    const because = `${path.basename(large.file)} is larger than the 2 GiB that a release page takes`;
    throw refused(because, 'divide it (`split:` of a package), or upload it as an artifact of the run');
  }
  const assets = await listAssets(repos, release);
  const names = new Set([...assets.map(({ name }) => name), ...files.map((file) => assetNameOf(path.basename(file)))]);
  if (names.size > assetCountLimit) {
    const because = `a release page takes ${assetCountLimit} files, and these would be ${names.size} with those that it has`;
    throw refused(because, 'put fewer there; a pool takes more (`apt publish` without --assets-url)');
  }
  for (const { file, size } of sized) {
    const name = path.basename(file);
    const find = (all: readonly Asset[]) => all.find((asset) => asset.name === assetNameOf(name));
    let there = find(assets);
    if (await isSame(file, size, there, options)) continue;
    if (size >= assetLimit) {
      options.progress.warn(
        `${name} is larger than the 2 GiB that a release page takes; the artifact of this run has it`,
      );
      continue;
    }
    for (let attempt = 0; ; attempt += 1) {
      try {
        await replace(repos, release, { file, size, name }, there, options);
        break;
      } catch (error) {
        options.signal.throwIfAborted();
        const { status = 0, message } = error as { status?: number; message: string };
        // The client calls it a 500 when no answer came.
        if (attempt === pauses.length || status < 500) throw error;
        options.progress.note(`${name}: ${message}; once more`);
        await sleep(pauses[attempt], undefined, { signal: options.signal });
        there = find(await listAssets(repos, release));
        if (await isSame(file, size, there, options)) break;
      }
    }
    options.progress.note(`${name} is on the release page`);
  }
}

/** Sends a file in place of `there`: what broke off, or is of another build. */
async function replace(
  repos: Repos,
  { owner, repo, id, upload_url: address }: ReleaseAddress,
  { file, size, name }: { file: string; size: number; name: string },
  there: Asset | undefined,
  { progress, signal }: UploadOptions,
): Promise<void> {
  if (there !== undefined) await repos.deleteReleaseAsset({ owner, repo, asset_id: there.id });
  const transfer = progress.transfer(`uploading ${name}`, size);
  try {
    // The types know texts only.
    const data = ReadableStream.from(countedChunks(file, transfer)) as unknown as string;
    // A stream would be sent in chunks otherwise, which GitHub does not take.
    const headers = { 'content-type': 'application/octet-stream', 'content-length': size };
    // Uploads go to a host of their own, another one on an Enterprise Server.
    const baseUrl = address.slice(0, address.indexOf('/repos/'));
    await repos.uploadReleaseAsset({ owner, repo, release_id: id, baseUrl, name, data, headers, request: { signal } });
  } finally {
    transfer.end();
  }
}

async function* countedChunks(file: string, transfer: { add(bytes: number): void }): AsyncGenerator<Uint8Array> {
  for await (const chunk of createReadStream(file, { highWaterMark: 256 * 1024 })) {
    transfer.add((chunk as Buffer).length);
    yield chunk as Buffer;
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

/**
 * Whether an asset has these very bytes: SHA256SUMS of two builds are of one size. An Enterprise Server may tell no digest: then
 * nothing counts as the same.
 */
async function isSame(
  file: string,
  size: number,
  asset: Asset | undefined,
  { progress, signal }: UploadOptions,
): Promise<boolean> {
  if (asset?.state !== 'uploaded' || asset.size !== size || typeof asset.digest !== 'string') return false;
  const hash = createHash('sha256');
  const transfer = progress.transfer(`comparing ${path.basename(file)} with the release page`, size);
  try {
    for await (const chunk of countedChunks(file, transfer)) {
      signal.throwIfAborted();
      hash.update(chunk);
    }
  } finally {
    transfer.end();
  }
  return asset.digest === `sha256:${hash.digest('hex')}`;
}

export function refused(because: string, fix: string, doing = 'making the release page'): Failure {
  return new Failure({ doing, because, fix });
}
