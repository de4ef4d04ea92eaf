import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { publish, type Published } from '../../../src/apt/publish.ts';
import type { PublishOptions } from '../../../src/apt/publish-options.ts';
import { silent } from '../../../src/progress.ts';
import { generateSigningKey } from '../../../src/signing/generate-key.ts';
import { readSigningKey, type SigningKey } from '../../../src/signing/openpgp.ts';

export const newFolder = (name = 'archive') => mkdtempSync(join(tmpdir(), `imgbuild-${name}-`));

export async function newKey(userId = 'Example packages <packages@example.com>'): Promise<SigningKey> {
  const { privateKey } = await generateSigningKey(userId);
  return readSigningKey(Buffer.from(privateKey), 'the key');
}

export type PublishedBy = Pick<PublishOptions, 'site' | 'debs' | 'keys'> & Partial<PublishOptions>;

/** Publishes with the defaults of the command. */
export function publishWith(options: PublishedBy): Promise<Published> {
  return publish({
    suite: 'stable',
    name: undefined,
    defaultName: 'ccai',
    baseUrl: undefined,
    assets: undefined,
    keep: undefined,
    validDays: undefined,
    verify: false,
    adopt: false,
    progress: silent,
    ...options,
  });
}
