import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateKey } from 'openpgp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { installPackages } from '../../scripts/support/apt.ts';
import { baseImage } from '../../scripts/support/base-image.ts';
import { findSigningKeys } from '../../src/apt/keys.ts';
import { run, runChecked } from '../../src/process/run.ts';
import { readSigningKey, type SigningKey } from '../../src/signing/openpgp.ts';
import { newFolder, newKey, publishWith, put, world } from './support/archive.ts';

/** What apt of the two starts to verify InRelease: a Debian 13 has no gpgv. */
const verifiers = {
  bookworm: ['gpgv', '--keyring', '/ring.gpg', '--output', '/text', '/InRelease'],
  trixie: ['sqv', '--keyring', '/ring.gpg', '--output', '/text', '--cleartext', '/InRelease'],
};

let home: string;
const keys: Record<string, () => Promise<SigningKey[]>> = {
  'a key of ours': async () => [await newKey()],
  'an RSA key of 4096 bits': async () => {
    const userIDs = [{ name: 'Example', email: 'rsa@example.com' }];
    const { privateKey } = await generateKey({ type: 'rsa', rsaBits: 4096, userIDs, format: 'armored' });
    return [await readSigningKey(Buffer.from(privateKey), 'the key')];
  },
  'a key in GnuPG that signs with a subkey': async () => {
    const gpg = (...args: string[]) =>
      execFileSync('gpg', ['--batch', '--pinentry-mode', 'loopback', '--passphrase', '', ...args], {
        stdio: ['ignore', 'pipe', 'pipe'],
        encoding: 'utf8',
      });
    gpg('--quick-generate-key', 'In GnuPG <gpg@example.com>', 'rsa3072', 'cert', 'never');
    const [, fingerprint] = /^fpr:+([0-9A-F]{40}):/m.exec(gpg('--with-colons', '--list-secret-keys'))!;
    gpg('--quick-add-key', fingerprint!, 'ed25519', 'sign', '2y');
    return findSigningKeys([`gpg:${fingerprint}`], {});
  },
};
const all: [string, SigningKey[]][] = [];

beforeAll(async () => {
  await installPackages(['gpg', 'gpg-agent', 'gpgconf'], () => {});
  // The agent's socket needs a short path.
  home = mkdtempSync('/tmp/imgbuild-gpg-');
  process.env.GNUPGHOME = home;
  for (const [name, make] of Object.entries(keys)) all.push([name, await make()]);
  all.push(['two keys at once', [all[0]![1][0]!, all[1]![1][0]!]]);
});
afterAll(() => {
  execFileSync('gpgconf', ['--homedir', home, '--kill', 'gpg-agent'], { stdio: 'ignore' });
  rmSync(home, { recursive: true, force: true });
});

test('lintian finds nothing in the keyring package', async () => {
  await installPackages(['lintian'], () => {});
  const { site, debs } = world();
  await put(debs, '1.0');
  await publishWith({ site, debs, keys: all[0]![1] });
  const file = join(site, 'ccai-archive-keyring.deb');
  const { exitCode, stdout } = await run('lintian', ['--no-cfg', '--allow-root', '--fail-on=error,warning', file]);
  expect(exitCode, stdout.toString()).toBe(0);
  expect(stdout.toString().trim()).toBe('');
});

describe.each(['bookworm', 'trixie'] as const)('what apt of Debian %s verifies with', (codename) => {
  let root: string;
  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), `imgbuild-verify-${codename}-`));
    await runChecked('tar', ['-xf', await baseImage(codename), '-C', root]);
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  const verify = async (site: string, text?: string) => {
    copyFileSync(join(site, 'ccai-archive-keyring.gpg'), join(root, 'ring.gpg'));
    if (text === undefined) copyFileSync(join(site, 'dists/stable/InRelease'), join(root, 'InRelease'));
    else writeFileSync(join(root, 'InRelease'), text);
    rmSync(join(root, 'text'), { force: true });
    const { exitCode, stderr } = await run('chroot', [root, ...verifiers[codename]], {});
    return { exitCode, stderr: String(stderr) };
  };

  test('accepts InRelease of every kind of key', async () => {
    for (const [name, signers] of all) {
      const { site, debs } = world();
      await put(debs, '1.0');
      await publishWith({ site, debs, keys: signers });
      const { exitCode, stderr } = await verify(site);
      expect(exitCode, `${name}: ${stderr}`).toBe(0);
      const text = readFileSync(join(root, 'text'), 'utf8');
      expect(text.trimEnd()).toBe(readFileSync(join(site, 'dists/stable/Release'), 'utf8').trim());
      const damaged = readFileSync(join(site, 'dists/stable/InRelease'), 'utf8');
      expect((await verify(site, damaged.replace('Suite: stable', 'Suite: staple'))).exitCode).not.toBe(0);
    }
  });

  test('accepts two signatures of whoever knows one of the keys', async () => {
    const { site, debs } = world();
    await put(debs, '1.0');
    const both = all.at(-1)![1];
    await publishWith({ site, debs, keys: both });
    for (const known of both) {
      const old = newFolder('known');
      await put(join(old, 'debs'), '1.0');
      await publishWith({ site: join(old, 'site'), debs: join(old, 'debs'), keys: [known] });
      copyFileSync(join(old, 'site/ccai-archive-keyring.gpg'), join(site, 'ccai-archive-keyring.gpg'));
      const { exitCode, stderr } = await verify(site);
      // gpgv says 2 where it does not know one of them; apt counts the good ones.
      if (codename === 'trixie') expect(exitCode, stderr).toBe(0);
      else expect(stderr).toMatch(/Good signature/);
      expect(stderr).not.toMatch(/BAD signature|invalid/);
    }
  });
});
