import type { Release } from './release-json.ts';

/** What a release is made of, apart from where and when it was made. */
export type ReleaseContent = Pick<Release, 'name'> & {
  images: readonly Pick<Release['images'][number], 'layer' | 'repository' | 'platform' | 'fingerprint'>[];
  debs: readonly Pick<Release['debs'][number], 'file' | 'sha256'>[];
  models: readonly Pick<Release['models'][number], 'name' | 'files'>[];
};

/**
 * How wanted content differs from a release, one sentence each; empty when it is the same. Images are compared by the
 * fingerprints of their inputs: what is built from the same inputs is the same release.
 */
export function imageDifferences(release: Release, wanted: Pick<ReleaseContent, 'name' | 'images'>): string[] {
  const name = release.name === wanted.name ? [] : [`it is of ${release.name}, not of ${wanted.name}`];
  const key = ({ layer, platform }: { layer: string; platform: string }) => `${layer} (${platform})`;
  const value = ({ repository, fingerprint }: { repository: string; fingerprint: string }) =>
    `${repository} ${fingerprint}`;
  return [...name, ...differences(release.images, wanted.images, key, value, 'has other inputs')];
}

export function debDifferences(release: Release, debs: ReleaseContent['debs']): string[] {
  return differences(
    release.debs,
    debs,
    ({ file }) => file,
    ({ sha256 }) => sha256,
    'has other bytes',
  );
}

export function modelDifferences(release: Release, models: ReleaseContent['models']): string[] {
  return differences(
    release.models,
    models,
    ({ name }) => `model ${name}`,
    ({ files }) => JSON.stringify(files.map(({ path, size, sha256 }) => [path, size, sha256])),
    'has other files',
  );
}

function differences<T>(
  before: readonly T[],
  now: readonly T[],
  key: (item: T) => string,
  value: (item: T) => string,
  changed: string,
): string[] {
  const old = new Map(before.map((item) => [key(item), value(item)]));
  const young = new Map(now.map((item) => [key(item), value(item)]));
  return [...new Set([...old.keys(), ...young.keys()])].toSorted().flatMap((each) => {
    if (!young.has(each)) return [`${each} is no part of it any more`];
    if (!old.has(each)) return [`${each} is new`];
    return old.get(each) === young.get(each) ? [] : [`${each} ${changed}`];
  });
}
