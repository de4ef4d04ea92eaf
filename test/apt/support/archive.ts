import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { publish, type Published } from '../../../src/apt/publish.ts';
import type { PublishOptions } from '../../../src/apt/publish-options.ts';
import { Failure } from '../../../src/failure.ts';
import { silent, type Progress } from '../../../src/progress.ts';
import { generateSigningKey } from '../../../src/signing/generate-key.ts';
import { readSigningKey, type SigningKey } from '../../../src/signing/openpgp.ts';
import { makeDeb } from './make-deb.ts';

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

/** What the work fails with. */
export const failureOf = async (work: Promise<unknown>): Promise<Failure> => {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert(error instanceof Failure, `it ended with ${error as string}`);
  return error;
};

/** Names of the files that were read from front to end. */
export function watching(): { progress: Progress; read: string[] } {
  const read: string[] = [];
  const transfer = (label: string) => {
    if (!label.startsWith('packing ')) read.push(label);
    return { add() {}, end() {} };
  };
  return { read, progress: { ...silent, transfer } };
}

export const world = () => ({ site: newFolder('site'), debs: newFolder('debs') });
export const put = (debs: string, version: string, name = 'hello') => makeDeb(debs, { name, version });
