import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { installPackages } from '../../scripts/support/apt.ts';
import { openBundle } from '../../src/delta/bundle/read.ts';
import { generateSigningKey } from '../../src/signing/generate-key.ts';
import { readSigningKey } from '../../src/signing/openpgp.ts';
import { app, base, folder, make, newApp, put, verify } from '../support/made-bundle.ts';

describe('signatures', () => {
  test('unsigned, wrong key, altered and good', async () => {
    put('old.tar', [base, app]);
    put('new.tar', [base, newApp]);
    const [key, other] = [
      await generateSigningKey('Right <r@example.com>'),
      await generateSigningKey('Wrong <w@example.com>'),
    ];
    const keyring = join(folder, 'keys.asc');
    writeFileSync(keyring, key.publicKey);
    await make();
    await expect(verify(undefined, undefined, { keyring })).rejects.toThrow(/it is not signed/);
    await make({ signKey: await readSigningKey(Buffer.from(other.privateKey), 'the key') });
    await expect(verify(undefined, undefined, { keyring })).rejects.toThrow(/which .*keys\.asc does not hold/);
    await make({ signKey: await readSigningKey(Buffer.from(key.privateKey), 'the key') });
    expect((await verify(undefined, undefined, { keyring })).signature!.userId).toBe('Right <r@example.com>');
    const bytes = readFileSync(join(folder, 'out.ota.tar'));
    // The index names another digest: the signature speaks of other bytes.
    const at = bytes.indexOf('"digest":"sha256:') + 20;
    bytes[at] = bytes[at] === 0x30 ? 0x31 : 0x30;
    writeFileSync(join(folder, 'altered.ota.tar'), bytes);
    await expect(verify(join(folder, 'altered.ota.tar'), undefined, { keyring })).rejects.toThrow(
      /verifying the signature/,
    );
  });

  test('gpgv accepts it with the exported key', async () => {
    await installPackages(['gpgv'], () => {});
    put('old.tar', [base, app]);
    put('new.tar', [base, newApp]);
    const key = await generateSigningKey('Right <r@example.com>');
    await make({ signKey: await readSigningKey(Buffer.from(key.privateKey), 'the key') });
    const bundle = await openBundle(join(folder, 'out.ota.tar'), new AbortController().signal);
    writeFileSync(join(folder, 'index.json'), bundle.index);
    writeFileSync(join(folder, 'index.json.asc'), bundle.signature!);
    await bundle.close();
    const ring = join(folder, 'ring.gpg');
    writeFileSync(ring, await unarmoured(key.publicKey));
    execFileSync('gpgv', ['--keyring', ring, join(folder, 'index.json.asc'), join(folder, 'index.json')], {
      stdio: 'pipe',
    });
  });
});

async function unarmoured(text: string): Promise<Uint8Array> {
  const openpgp = await import('openpgp');
  const key = await openpgp.readKey({ armoredKey: text });
  return key.write();
}
