import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { installPackages } from '../../scripts/support/apt.ts';
import { addKeyToFile, dropOldKeys, findSigningKeys, newKeyFile } from '../../src/apt/keys.ts';
import { clearsign, openCleartext } from '../../src/signing/clearsign.ts';
import { describePublicKeys } from '../../src/signing/public-key.ts';
import type { SigningKey } from '../../src/signing/openpgp.ts';

beforeAll(async () => {
  await installPackages(['gpg', 'gpg-agent', 'gpgconf', 'gpgv'], () => {});
}, 120_000);

const userId = 'Example packages <packages@example.com>';
const newFolder = () => mkdtempSync(join(tmpdir(), 'imgbuild-keys-'));
const prints = (keys: readonly SigningKey[]) => keys.map(({ fingerprint }) => fingerprint);
const mode = (file: string) => statSync(file).mode & 0o777;

/** Which of the keys gpgv finds good signatures of, knowing these alone. */
async function goodFor(document: string, known: readonly SigningKey[]): Promise<string[]> {
  const folder = newFolder();
  const infos = await describePublicKeys(known.map(({ publicKey }) => publicKey).join('\n'));
  writeFileSync(join(folder, 'ring.gpg'), Buffer.concat(infos.map(({ binary }) => binary)));
  writeFileSync(join(folder, 'InRelease'), document);
  const args = ['--status-fd', '1', '--keyring', join(folder, 'ring.gpg'), join(folder, 'InRelease')];
  const { status: exitCode, stdout: status, stderr } = spawnSync('gpgv', args, { encoding: 'utf8' });
  expect(`${status}${stderr}`).not.toMatch(/BADSIG|invalid/);
  // 2: a signature of a key that it does not know is beside the good one.
  expect(exitCode).toBe(/NO_PUBKEY/.test(status) ? 2 : 0);
  return [...status.matchAll(/VALIDSIG ([0-9A-F]{40})/g)].map(([, print]) => print!);
}

test('key new writes a file for this user alone, and never over another', async () => {
  const file = join(newFolder(), 'key.asc');
  const key = await newKeyFile(file, userId);
  expect(mode(file)).toBe(0o600);
  expect(prints(await findSigningKeys([file], {}))).toEqual([key.fingerprint]);
  const before = readFileSync(file);
  await expect(newKeyFile(file, userId)).rejects.toMatchObject({ kind: 'input', because: /never written over/ });
  expect(readFileSync(file)).toEqual(before);
  expect(readdirSync(join(file, '..'))).toEqual(['key.asc']);
});

test('rotate puts a key beside the old one, both sign, and drop leaves the new one alone', async () => {
  const file = join(newFolder(), 'key.asc');
  const old = await newKeyFile(file, userId);
  await expect(dropOldKeys(file)).rejects.toThrow(/one key alone/);
  const both = await addKeyToFile(file, userId);
  expect(mode(file)).toBe(0o600);
  expect(prints(await findSigningKeys([file], {}))).toEqual(prints(both));
  expect(prints(both)[1]).toBe(old.fingerprint);
  await expect(addKeyToFile(file, userId)).rejects.toThrow(/2 keys already/);
  const document = await clearsign('Origin: acme\nSuite: stable\n', both);
  expect(await goodFor(document, [old])).toEqual([old.fingerprint]);
  expect(await goodFor(document, [both[0]!])).toEqual([both[0]!.fingerprint]);
  expect((await goodFor(document, both)).toSorted()).toEqual(prints(both).toSorted());
  const { kept, dropped } = await dropOldKeys(file);
  expect(prints([kept])).toEqual([both[0]!.fingerprint]);
  expect(prints(dropped)).toEqual([old.fingerprint]);
  expect(prints(await findSigningKeys([file], {}))).toEqual([kept.fingerprint]);
});

test('keys come from the environment, several in one secret, each once', async () => {
  const file = join(newFolder(), 'key.asc');
  await newKeyFile(file, userId);
  const both = await addKeyToFile(file, userId);
  const secret = readFileSync(file, 'utf8');
  expect(prints(await findSigningKeys([], { IMGBUILD_SIGNING_KEY: secret }))).toEqual(prints(both));
  expect(prints(await findSigningKeys([file, file], { IMGBUILD_SIGNING_KEY: secret }))).toEqual(prints(both));
  expect(await findSigningKeys([], {})).toEqual([]);
});

test('what is no key is refused without showing it', async () => {
  const secret = `-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n${'QUJD'.repeat(16)}\n-----END PGP PRIVATE KEY BLOCK-----\n`;
  const error = await findSigningKeys([], { IMGBUILD_SIGNING_KEY: secret }).catch((reason: Error) => reason);
  expect(error).toBeInstanceOf(Error);
  expect(`${(error as Error).message} ${(error as Error).stack}`).not.toContain('QUJDQUJD');
});

describe('a key that stays in GnuPG', () => {
  test('signs beside one in a file', async () => {
    const home = mkdtempSync(join(tmpdir(), 'gpg-'));
    const gpg = (...args: string[]) =>
      execFileSync('gpg', ['--homedir', home, '--batch', '--pinentry-mode', 'loopback', '--passphrase', '', ...args], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
    gpg('--quick-generate-key', 'In GnuPG <gpg@example.com>', 'ed25519', 'sign', 'never');
    const before = process.env.GNUPGHOME;
    process.env.GNUPGHOME = home;
    try {
      const file = join(newFolder(), 'key.asc');
      await newKeyFile(file, userId);
      const keys = await findSigningKeys([file, 'gpg:gpg@example.com'], {});
      expect(keys).toHaveLength(2);
      const document = await clearsign('Origin: acme\n- dashed\nSuite: stable\n', keys);
      expect((await goodFor(document, keys)).toSorted()).toEqual(prints(keys).toSorted());
      const text = await openCleartext(document, [keys[1]!.publicKey], 'InRelease');
      expect(text).toBe('Origin: acme\n- dashed\nSuite: stable');
      await expect(findSigningKeys(['gpg:nobody@example.com'], {})).rejects.toThrow(/no such secret key/);
    } finally {
      if (before === undefined) delete process.env.GNUPGHOME;
      else process.env.GNUPGHOME = before;
      execFileSync('gpgconf', ['--homedir', home, '--kill', 'gpg-agent'], { stdio: 'ignore' });
    }
  });
});
