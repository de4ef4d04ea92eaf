import { mkdtempSync, rmSync } from 'node:fs';
import { Readable } from 'node:stream';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openImages } from '../../src/image-source/open.ts';
import { makeDelta, bundleFileName } from '../../src/delta/make.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { hostPlatform, platformName } from '../../src/oci/platform.ts';
import { silent } from '../../src/progress.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { noise, sampleLayout, sampleTar, sha256 } from '../delta/sample-image.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'imgbuild-release-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const platform = hostPlatform();

async function putBlob(store: LayoutStore, repository: string, bytes: Buffer): Promise<Digest> {
  const digest = sha256(bytes) as Digest;
  await store.putBlob(repository, {
    digest,
    size: bytes.length,
    open: (offset) => Readable.from([bytes.subarray(offset)]),
  });
  return digest;
}

/** A release as its document and artifact stand in a store; images by repository. */
async function putRelease(
  store: LayoutStore,
  version: string,
  images: Record<string, Buffer[]>,
  others: object[] = [],
): Promise<void> {
  const released: object[] = [...others];
  for (const [repository, tars] of Object.entries(images)) {
    const { files, image } = sampleLayout(tars);
    for (const [name, bytes] of files) {
      if (name.startsWith('blobs/') && !name.endsWith(image.manifest.slice(7))) await putBlob(store, repository, bytes);
    }
    const bytes = files.get(`blobs/sha256/${image.manifest.slice(7)}`)!;
    const descriptor = {
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      digest: image.manifest as Digest,
      size: bytes.length,
    };
    await store.putManifest(repository, version, { descriptor, bytes });
    released.push({
      layer: repository,
      image: `${repository}:x`,
      repository,
      platform: platformName(platform),
      digest: image.manifest,
      config: image.config,
      diffIds: image.diffIds,
    });
  }
  const document = Buffer.from(JSON.stringify({ schema: 1, name: 'demo', version, images: released }));
  const config = Buffer.from('{}');
  const artifact = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      artifactType: 'application/vnd.imgbuild.release.v1',
      config: {
        mediaType: 'application/vnd.oci.empty.v1+json',
        digest: await putBlob(store, 'releases', config),
        size: 2,
      },
      layers: [
        {
          mediaType: 'application/vnd.imgbuild.release.v1+json',
          digest: await putBlob(store, 'releases', document),
          size: document.length,
        },
      ],
    }),
  );
  const descriptor = {
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    digest: sha256(artifact) as Digest,
    size: artifact.length,
  };
  await store.putManifest('releases', version, { descriptor, bytes: artifact });
}

test('releases of a store by their versions: all their images in one delta', async () => {
  const store = new LayoutStore(join(folder, 'store'));
  const base = sampleTar([{ name: 'base', bytes: noise(50_000, 1) }]);
  const app = (text: string) =>
    sampleTar([{ name: 'app', bytes: Buffer.concat([noise(20_000, 2), Buffer.from(text)]) }]);
  await putRelease(store, '1.0.0', { service: [base, app('one')], worker: [base] });
  await putRelease(store, '1.1.0', { worker: [base], service: [base, app('two')], fresh: [base, app('new')] });
  const options = { directory: folder, platform, store: async () => store };
  const from = await openImages('1.0.0', options);
  const to = await openImages('v1.1.0', options);
  const name = bundleFileName(from, to, undefined);
  expect(name).toBe(`demo_1.0.0_1.1.0_${platformName(platform).replace('/', '-')}.ota.tar`);
  const report = await makeDelta({
    from,
    to,
    output: join(folder, name),
    progress: silent,
    signal: new AbortController().signal,
  });
  expect(report.images.map(({ reference, layers }) => [reference, layers.map(({ kind }) => kind)])).toEqual([
    ['worker:1.1.0', ['reused']],
    ['service:1.1.0', ['reused', 'delta']],
    // No image of that name to start from: all of it is carried.
    ['fresh:1.1.0', [expect.stringMatching(/delta|whole/), expect.stringMatching(/delta|whole/)]],
  ]);
  await from.close();
  await to.close();
});

test('a version that the store does not have', async () => {
  const store = new LayoutStore(join(folder, 'store'));
  await expect(openImages('9.9.9', { directory: folder, platform, store: async () => store })).rejects.toThrow(
    /the store has no such release/,
  );
});

test('a release.json with an image that is none is refused, not opened without it', async () => {
  const store = new LayoutStore(join(folder, 'store'));
  await putRelease(store, '1.0.0', { service: [sampleTar([{ name: 'a', bytes: 'a' }])] }, [{ repository: 'worker' }]);
  await expect(openImages('1.0.0', { directory: folder, platform, store: async () => store })).rejects.toThrow(
    /names an image that is none: .*worker/,
  );
});
