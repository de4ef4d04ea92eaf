import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openBundle } from '../../src/delta/bundle/read.ts';
import { rebuildAll } from '../../src/delta/verify.ts';
import { openImages } from '../../src/image-source/open.ts';
import { hostPlatform } from '../../src/oci/platform.ts';
import { silent } from '../../src/progress.ts';
import { app, base, folder, make, newApp, put } from '../support/made-bundle.ts';

const { signal } = new AbortController();
const store = async () => {
  throw new Error('no release is named here');
};

/** How often each old filesystem layer is read to rebuild what the bundle carries. */
async function readings(isChecked: boolean): Promise<number[]> {
  const set = await openImages('oci-archive:old.tar', { directory: folder, platform: hostPlatform(), store });
  const bundle = await openBundle(join(folder, 'out.ota.tar'), signal);
  try {
    const [old] = set.images;
    const counts = old!.layers.map(() => 0);
    const layers = old!.layers.map((layer, at) => ({
      ...layer,
      tar() {
        counts[at]!++;
        return layer.tar();
      },
    }));
    const [image] = await bundle.images();
    await rebuildAll(bundle, image!, { ...old!, layers }, folder, silent, { signal, isChecked });
    return counts;
  } finally {
    await bundle.close();
    await set.close();
  }
}

test('of an image that was checked just now only the filesystem layers that deltas read from are read', async () => {
  put('old.tar', [base, app]);
  put('new.tar', [base, newApp]);
  await make({ format: 'imgbuild' });
  expect(await readings(false)).toEqual([1, 1]);
  expect(await readings(true)).toEqual([0, 1]);
});

test('a tar-diff names files of the whole tree: all of it is read', async () => {
  put('old.tar', [base, app]);
  put('new.tar', [base, newApp]);
  await make({ format: 'oci-delta' });
  expect(await readings(true)).toEqual([1, 1]);
});
