import { readdirSync } from 'node:fs';
import { beforeAll, expect, test, vi } from 'vitest';
import { installPackages } from '../../scripts/support/apt.ts';
import type { SigningKey } from '../../src/signing/openpgp.ts';
import { failureOf, newFolder, newKey, publishWith, put, watching } from './support/archive.ts';
import { makeManyDebs } from './support/many-debs.ts';
import { readArchive, versions } from './support/read-archive.ts';

// Programs and file systems take their time on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

const site = newFolder('site');
const debs = newFolder('debs');
let key: SigningKey;
beforeAll(async () => {
  await installPackages(['xz-utils', 'gpgv'], () => {});
  key = await newKey();
  await makeManyDebs(debs, 1000);
  await publishWith({ site, debs, keys: [key] });
}, 300_000);

test('one package added to 1,000 is all that is read', async () => {
  expect(readArchive(site)).toHaveLength(1001);
  const added = newFolder('added');
  await put(added, '1.0');
  const alone = watching();
  const published = await publishWith({ site, debs: added, keys: [key], ...alone });
  expect(published.packages).toBe(1002);
  // Its own keys were made by the run before, and are read once from where they lie now.
  expect(alone.read).toEqual(['reading hello_1.0_all.deb', 'reading ccai-archive-keyring.deb']);
  await put(debs, '1.1');
  const among = watching();
  await publishWith({ site, debs, keys: [key], ...among });
  expect(among.read).toEqual(['reading hello_1.1_all.deb']);
  expect(versions(site)).toEqual(['1.1', '1.0']);
});

test('more packages than a release has assets are refused before any is put in place', async () => {
  const assets = { url: 'https://github.com/acme/ccai/releases/download/v1', folder: newFolder('assets') };
  const options = { site: newFolder('site'), debs, keys: [key], baseUrl: 'https://acme.github.io/ccai', assets };
  const failure = await failureOf(publishWith(options));
  expect(failure).toMatchObject({ because: 'a release on GitHub has at most 1000', kind: 'input' });
  expect(readdirSync(assets.folder)).toEqual([]);
});
