import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { installPackages } from '../../scripts/support/apt.ts';
import { openImages } from '../../src/image-source/open.ts';
import { hostPlatform } from '../../src/oci/platform.ts';
import { noise, sampleTar, sha256, writeOciArchive } from '../delta/sample-image.ts';

const { host } = inject('registries').plain;
let folder: string;
beforeAll(async () => {
  await installPackages(['skopeo'], () => {});
  folder = mkdtempSync(join(tmpdir(), 'imgbuild-open-'));
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const options = () => ({
  directory: folder,
  platform: hostPlatform(),
  store: async () => {
    throw new Error('no store');
  },
});

test('docker:// reads what skopeo pushed, by tag and by digest', async () => {
  const layers = [sampleTar([{ name: 'a', bytes: noise(200_000, 1) }]), sampleTar([{ name: 'b', bytes: 'b' }])];
  const image = writeOciArchive(join(folder, 'a.tar'), layers, { reference: 'app:1' });
  const source = `oci-archive:${join(folder, 'a.tar')}:app:1`;
  const target = `docker://${host}/acme/opened:1`;
  execFileSync('skopeo', ['copy', '--insecure-policy', '--dest-tls-verify=false', source, target], { stdio: 'pipe' });
  for (const name of [target, `docker://${host}/acme/opened@${image.manifest}`]) {
    const set = await openImages(name, options());
    const read: string[] = [];
    for (const layer of set.images[0]!.layers) {
      const parts: Buffer[] = [];
      for await (const chunk of layer.tar()) parts.push(chunk);
      read.push(sha256(Buffer.concat(parts)));
    }
    expect(read).toEqual(image.diffIds);
    expect(set.images[0]!.config.descriptor.digest).toBe(image.config);
    await set.close();
  }
});

test('docker:// of what is not there', async () => {
  await expect(openImages(`docker://${host}/acme/none:1`, options())).rejects.toThrow(/has no acme\/none:1/);
});
