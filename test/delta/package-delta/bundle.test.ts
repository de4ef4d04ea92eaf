import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openBundle } from '../../../src/delta/bundle/read.ts';
import { inspectBundle } from '../../../src/delta/inspect.ts';
import { makeDelta, type DeltaRequest } from '../../../src/delta/make.ts';
import { verifyBundle } from '../../../src/delta/verify.ts';
import type { ImageSet, SourcePackage } from '../../../src/image-source/image.ts';
import { nothing } from '../../../src/image-source/nothing.ts';
import { openImages } from '../../../src/image-source/open.ts';
import { hostPlatform } from '../../../src/oci/platform.ts';
import { channelDeltaOf } from '../../../src/project/channel-delta.ts';
import { silent } from '../../../src/progress.ts';
import { noise, sampleTar, writeOciArchive } from '../sample-image.ts';
import { filesOf, makeDeb } from './debs.ts';

let folder: string;
let opened: ImageSet[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'imgbuild-package-bundle-'));
});
afterEach(async () => {
  for (const set of opened) await set.close();
  opened = [];
  rmSync(folder, { recursive: true, force: true });
});

const { signal } = new AbortController();

async function release(version: string, packages: SourcePackage[]): Promise<ImageSet> {
  writeOciArchive(join(folder, `${version}.tar`), [sampleTar([{ name: 'app', bytes: noise(9000, version) }])], {});
  const store = () => Promise.reject(new Error('no release is named here'));
  const options = { directory: folder, platform: hostPlatform(), store };
  const set = await openImages(`oci-archive:${version}.tar`, options);
  opened.push(set);
  return { ...set, version, packages };
}

const make = (from: ImageSet, to: ImageSet, more: Partial<DeltaRequest> = {}) =>
  makeDelta({ from, to, output: join(folder, 'out.ota.tar'), progress: silent, signal, ...more });

async function bundled() {
  const bundle = await openBundle(join(folder, 'out.ota.tar'), signal);
  try {
    return { images: await bundle.images(), packages: await bundle.packages() };
  } finally {
    await bundle.close();
  }
}

test('a package that changed a little goes as a delta, which old programs refuse; from nothing it goes whole', async () => {
  const [one, two] = [makeDeb(folder, '1', 'xz', filesOf('1')), makeDeb(folder, '2', 'zstd', filesOf('2'))];
  const [from, to] = [await release('1.0.0', [one]), await release('2.0.0', [two])];
  const report = await make(from, to);
  expect(report.needs).toBe(5);
  expect(report.packages).toMatchObject([{ name: 'app', version: '2', kind: 'delta', from: '1', pullBytes: two.size }]);
  const { images, packages } = await bundled();
  expect(images[0]!.needs).toBe(5);
  expect(packages).toMatchObject([{ sha256: two.sha256, carried: { kind: 'delta', from: '1' } }]);

  const options = { temporary: folder, progress: silent, signal };
  const bytes = statSync(report.path).size;
  const inspected = await inspectBundle(report.path, bytes, options);
  const sent = report.packages[0]!.bytes;
  expect(sent).toBeLessThan(0.05 * two.size);
  expect(inspected.hostPackages).toEqual([
    { name: 'app', version: '2', architecture: 'all', kind: 'delta', from: '1', bytes: sent },
  ]);
  const layers = inspected.images[0]!.layers.reduce((sum, layer) => sum + layer.bytes, 0);
  expect(inspected.documents + layers + sent).toBe(bytes);

  const verifying = { ...options, path: report.path, trust: 'anyone' as const };
  expect((await verifyBundle({ ...verifying, from })).packages).toMatchObject([{ applied: true }]);
  const other = { ...from, packages: [{ ...makeDeb(folder, '0', 'xz', filesOf('0')), version: '1' }] };
  await expect(verifyBundle({ ...verifying, from: other })).rejects.toMatchObject({
    because: expect.stringContaining('usr/lib/app/big, which is another one'),
  });

  // What a channel says of it, so that devices know before they download it.
  expect(await channelDeltaOf(report.path, signal)).toMatchObject({
    needs: 5,
    packages: [{ name: 'app', version: '1', architecture: 'all' }],
  });

  const full = await make(nothing, to);
  expect(await channelDeltaOf(full.path, signal)).not.toHaveProperty('packages');
  expect([full.needs, full.packages[0]!.kind]).toEqual([1, 'whole']);
  const without = await make(from, to, { packages: false });
  expect([without.needs < 5, without.packages, (await bundled()).packages]).toEqual([true, [], []]);
});

test('what changed much, or is small, goes whole, and so does another build of one version', async () => {
  const one = makeDeb(folder, '1', 'xz', { ...filesOf('1'), tiny: 'x' });
  const [from, kinds] = [await release('1.0.0', [one]), [] as string[]];
  for (const deb of [
    makeDeb(folder, '2', 'xz', {}),
    { ...makeDeb(folder, '3', 'xz', filesOf('3')), version: '1' },
    { ...makeDeb(folder, '4', 'xz', filesOf('4')), architecture: 'amd64' },
  ]) {
    const report = await make(from, await release(`${kinds.length + 2}.0.0`, [deb]));
    kinds.push(report.packages[0]!.kind);
  }
  expect(kinds).toEqual(['whole', 'whole', 'whole']);
});
