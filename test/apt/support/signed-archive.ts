import { beforeAll } from 'vitest';
import { installPackages } from '../../../scripts/support/apt.ts';
import { generateSigningKey } from '../../../src/signing/generate-key.ts';
import { readSigningKey, type SigningKey } from '../../../src/signing/openpgp.ts';
import { publishWith, type PublishedBy } from './archive.ts';

/** For all tests of a file. */
export let key: SigningKey;
/** The same, armoured. */
export let privateKey: string;
beforeAll(async () => {
  await installPackages(['xz-utils', 'gpgv'], () => {});
  ({ privateKey } = await generateSigningKey('Example packages <packages@example.com>'));
  key = await readSigningKey(Buffer.from(privateKey), 'the key');
}, 120_000);

/** Publishes with the defaults of the command, signed by that key. */
export const publishTo = (site: string, debs: string | undefined, more: Partial<PublishedBy> = {}) =>
  publishWith({ site, debs, keys: [key], ...more });
