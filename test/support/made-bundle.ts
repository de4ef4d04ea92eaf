import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { makeDelta, type DeltaReport, type DeltaRequest } from '../../src/delta/make.ts';
import { verifyBundle } from '../../src/delta/verify.ts';
import { openImages } from '../../src/image-source/open.ts';
import { hostPlatform } from '../../src/oci/platform.ts';
import { silent } from '../../src/progress.ts';
import { noise, sampleTar, writeOciArchive, type SampleOptions } from '../delta/sample-image.ts';

/** For each test another. */
export let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'imgbuild-make-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const options = () => ({
  directory: folder,
  platform: hostPlatform(),
  store: async () => {
    throw new Error('no release is named here');
  },
});
export const base = sampleTar([
  { name: 'bin/', folder: true },
  { name: 'bin/sh', bytes: noise(50_000, 'sh') },
]);
export const app = sampleTar([{ name: 'app.py', bytes: noise(30_000, 'app') }]);
export const newApp = sampleTar([
  { name: 'app.py', bytes: Buffer.concat([noise(30_000, 'app'), Buffer.from('one line')]) },
]);

export const put = (name: string, layers: Buffer[], image: SampleOptions = {}) =>
  writeOciArchive(join(folder, name), layers, image);

export async function make(
  more: Partial<DeltaRequest> = {},
  from = 'oci-archive:old.tar',
  to = 'oci-archive:new.tar',
): Promise<DeltaReport> {
  const old = await openImages(from, options());
  const target = await openImages(to, options());
  try {
    const signal = new AbortController().signal;
    return await makeDelta({
      from: old,
      to: target,
      output: join(folder, 'out.ota.tar'),
      progress: silent,
      signal,
      ...more,
    });
  } finally {
    await old.close();
    await target.close();
  }
}

export async function verify(
  path = join(folder, 'out.ota.tar'),
  from = 'oci-archive:old.tar',
  trust: Parameters<typeof verifyBundle>[0]['trust'] = 'anyone',
) {
  const set = await openImages(from, options());
  try {
    return await verifyBundle({
      path,
      from: set,
      trust,
      temporary: folder,
      progress: silent,
      signal: new AbortController().signal,
    });
  } finally {
    await set.close();
  }
}

export const inspecting = () => ({ signal: new AbortController().signal, temporary: folder, progress: silent });
export const leftovers = () => readdirSync(folder).filter((name) => name.startsWith('.imgbuild'));
