import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as openpgp from 'openpgp';
import { installPackages } from '../../scripts/support/apt.ts';
import { generateSigningKey } from '../../src/signing/generate-key.ts';
import { findSigningKey, readSigningKey, verifyDetached } from '../../src/signing/openpgp.ts';

let folder: string;
beforeAll(async () => {
  await installPackages(['gpg', 'gpg-agent', 'gpgconf', 'gpgv'], () => {});
  folder = mkdtempSync(join(tmpdir(), 'imgbuild-signing-'));
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const document = Buffer.from('{"manifests":[]}\r\n\0 any bytes');
const names = { document: 'index.json', keyring: 'keys.gpg' };
const file = (name: string, bytes: string | Uint8Array) => {
  writeFileSync(join(folder, name), bytes);
  return join(folder, name);
};
const binary = async (armoured: string) => (await openpgp.readKey({ armoredKey: armoured })).write();

async function rsa(): Promise<{ privateKey: string; publicKey: string }> {
  return openpgp.generateKey({ type: 'rsa', rsaBits: 4096, userIDs: [{ name: 'RSA' }], format: 'armored' });
}

describe.each([
  ['Ed25519', () => generateSigningKey('Demo <demo@example.com>')],
  ['RSA 4096', rsa],
])('a key of %s', (_name, generate) => {
  test('signs what gpgv verifies, detached and in clear text', async () => {
    const pair = await generate();
    const key = await readSigningKey(Buffer.from(pair.privateKey), 'the key');
    const ring = file('ring.gpg', await binary(pair.publicKey));
    const signature = file('index.json.asc', await key.signDetached(document));
    execFileSync('gpgv', ['--keyring', ring, signature, file('index.json', document)], { stdio: 'pipe' });
    expect(() =>
      execFileSync('gpgv', ['--keyring', ring, signature, file('other', 'other')], { stdio: 'pipe' }),
    ).toThrow();
    const clear = file('InRelease', await key.signCleartext('Origin: acme\nSuite: stable\n'));
    execFileSync('gpgv', ['--keyring', ring, clear], { stdio: 'pipe' });
    const verified = await verifyDetached(
      document,
      await key.signDetached(document),
      Buffer.from(key.publicKey),
      names,
    );
    expect(verified.fingerprint).toBe(key.fingerprint);
  }, 60_000);
});

test('what gpg signs is verified here, with a keyring of several exported keys', async () => {
  const home = mkdtempSync(join(folder, 'gnupg-'));
  const gpg = (...args: string[]) =>
    execFileSync(
      'gpg',
      ['--homedir', home, '--batch', '--quiet', '--pinentry-mode', 'loopback', '--passphrase', '', ...args],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
  for (const name of ['one', 'two'])
    gpg('--quick-generate-key', `${name} <${name}@example.com>`, 'ed25519', 'sign', 'never');
  const signature = gpg('--local-user', 'two', '--detach-sign', '--output', '-', file('document', document));
  const verified = await verifyDetached(document, signature, gpg('--export'), names);
  expect(verified.userId).toBe('two <two@example.com>');
  const armoured = Buffer.concat([gpg('--armor', '--export', 'one'), gpg('--armor', '--export', 'two')]);
  expect((await verifyDetached(document, signature, armoured, names)).userId).toBe('two <two@example.com>');
  execFileSync('gpgconf', ['--homedir', home, '--kill', 'gpg-agent'], { stdio: 'ignore' });
}, 60_000);

describe('what is refused', () => {
  test('another key, other bytes, no signature, no keyring', async () => {
    const [right, wrong] = [await generateSigningKey('Right'), await generateSigningKey('Wrong')];
    const signature = await (await readSigningKey(Buffer.from(wrong.privateKey), 'the key')).signDetached(document);
    const ring = Buffer.from(right.publicKey);
    await expect(verifyDetached(document, signature, ring, names)).rejects.toThrow(
      /by the key [0-9A-F]{16}, which keys\.gpg does not hold/,
    );
    const good = await (await readSigningKey(Buffer.from(right.privateKey), 'the key')).signDetached(document);
    await expect(verifyDetached(Buffer.from('other'), good, ring, names)).rejects.toThrow(
      /verifying the signature of index\.json/,
    );
    await expect(verifyDetached(document, Buffer.from('no signature'), ring, names)).rejects.toThrow(/cannot be read/);
    await expect(verifyDetached(document, good, Buffer.from('no keys'), names)).rejects.toThrow(/no OpenPGP keyring/);
  });

  test('a key that is expired, whatever the clock of the signer said', async () => {
    const old = new Date('2020-01-01T00:00:00Z');
    const { privateKey, publicKey } = await openpgp.generateKey({
      type: 'ecc',
      curve: 'ed25519Legacy',
      userIDs: [{ name: 'old' }],
      format: 'armored',
      date: old,
      keyExpirationTime: 86_400,
    });
    await expect(readSigningKey(Buffer.from(privateKey), 'the key')).rejects.toThrow(/reading the key/);
    const signed = await openpgp.sign({
      message: await openpgp.createMessage({ binary: new Uint8Array(document) }),
      signingKeys: await openpgp.readPrivateKey({ armoredKey: privateKey }),
      detached: true,
      date: new Date(old.getTime() + 3_600_000),
    });
    await expect(verifyDetached(document, Buffer.from(signed), Buffer.from(publicKey), names)).rejects.toThrow(
      /expired/i,
    );
  });

  test('a clock that stands years before the signature is no reason', async () => {
    const future = new Date(Date.now() + 3 * 365 * 86_400_000);
    const pair = await openpgp.generateKey({
      type: 'ecc',
      curve: 'ed25519Legacy',
      userIDs: [{ name: 'future' }],
      format: 'armored',
      date: future,
    });
    const signed = await openpgp.sign({
      message: await openpgp.createMessage({ binary: new Uint8Array(document) }),
      signingKeys: await openpgp.readPrivateKey({ armoredKey: pair.privateKey }),
      detached: true,
      date: future,
    });
    expect(
      (await verifyDetached(document, Buffer.from(signed), Buffer.from(pair.publicKey), names)).signedAt.getFullYear(),
    ).toBe(future.getFullYear());
  });
});

describe('where keys come from', () => {
  test('a file before the environment; neither is none', async () => {
    const [one, two] = [await generateSigningKey('one'), await generateSigningKey('two')];
    const fingerprint = async (armoured: string) => (await readSigningKey(Buffer.from(armoured), 'it')).fingerprint;
    const path = file('one.key', one.privateKey);
    const environment = { IMGBUILD_SIGNING_KEY: two.privateKey };
    expect((await findSigningKey(path, environment))!.fingerprint).toBe(await fingerprint(one.privateKey));
    expect((await findSigningKey(undefined, environment))!.fingerprint).toBe(await fingerprint(two.privateKey));
    expect(await findSigningKey(undefined, {})).toBeUndefined();
    await expect(findSigningKey(join(folder, 'none'), {})).rejects.toThrow(/no such file/);
  });

  test('a locked key needs its passphrase, and no message holds a key', async () => {
    const { privateKey } = await openpgp.generateKey({
      type: 'ecc',
      curve: 'ed25519Legacy',
      userIDs: [{ name: 'locked' }],
      passphrase: 'secret words',
      format: 'armored',
    });
    const path = file('locked.key', privateKey);
    await expect(findSigningKey(path, {})).rejects.toThrow(/locked with a passphrase/);
    const wrong = await findSigningKey(path, { IMGBUILD_SIGNING_PASSPHRASE: 'other words' }).catch(
      (error: Error) => error.message,
    );
    expect(wrong).not.toMatch(/words/);
    expect(await findSigningKey(path, { IMGBUILD_SIGNING_PASSPHRASE: 'secret words' })).toBeDefined();
    const body = privateKey.split('\n').slice(2, 5);
    const damaged = privateKey.replace(body[1]!, body[1]!.slice(8));
    const message = await readSigningKey(Buffer.from(damaged), 'the key').catch((error: Error) => error.message);
    for (const line of body) expect(message).not.toContain(line);
    await expect(readSigningKey(Buffer.from((await generateSigningKey('x')).publicKey), 'the key')).rejects.toThrow(
      /reading the key/,
    );
  });
});
