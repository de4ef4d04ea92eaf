import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import type { SigningKey } from '../../src/signing/openpgp.ts';
import { failureOf, newFolder, newKey, put, world } from './support/archive.ts';
import { versions } from './support/read-archive.ts';
import { key, privateKey, publishTo } from './support/signed-archive.ts';

// Programs and file systems take their time on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

let other: SigningKey;
beforeAll(async () => {
  other = await newKey('Other packages <other@example.com>');
}, 120_000);

describe('signatures', () => {
  test('a site that another key has signed, or nobody, is not signed', async () => {
    const { site, debs } = world();
    await put(debs, '1.0');
    await publishTo(site, debs, { keys: [other] });
    const failure = await failureOf(publishTo(site, debs));
    expect(failure).toMatchObject({ because: 'none of the keys at hand has signed it as it is', kind: 'input' });
    await publishTo(site, debs, { adopt: true });
    const release = join(site, 'dists/stable/InRelease');
    writeFileSync(release, readFileSync(release, 'utf8').replace('Origin: ccai', 'Origin: evil'));
    expect((await failureOf(publishTo(site, debs))).because).toMatch(/none of the keys/);
  });

  test('an index that was changed in the site is not signed', async () => {
    const { site, debs } = world();
    await put(debs, '1.0');
    await publishTo(site, debs);
    const folder = join(site, 'dists/stable/main/binary-all');
    for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }))
      if (statSync(join(folder, name)).isFile()) writeFileSync(join(folder, name), 'x');
    expect((await failureOf(publishTo(site, debs))).because).toMatch(
      /Packages\.zst, which it lists, is not there as listed/,
    );
  });

  test('without a key nothing is published', async () => {
    const { site, debs } = world();
    await put(debs, '1.0');
    expect((await failureOf(publishTo(site, debs, { keys: [] }))).because).toBe('there is no key to sign with');
    expect(readdirSync(site)).toEqual([]);
  });

  test('the keyring package follows the keys, and stays as it is while they do', async () => {
    const { site, debs } = world();
    await put(debs, '1.0');
    await publishTo(site, debs);
    const first = readFileSync(join(site, 'ccai-archive-keyring.deb'));
    await put(debs, '1.1');
    await publishTo(site, debs);
    expect(versions(site, 'ccai-archive-keyring')).toEqual(['1']);
    await publishTo(site, debs, { keys: [other, key] });
    expect(versions(site, 'ccai-archive-keyring')).toEqual(['2', '1']);
    expect(readFileSync(join(site, 'ccai-archive-keyring.deb'))).not.toEqual(first);
    const listed = execFileSync('dpkg-deb', ['-c', join(site, 'ccai-archive-keyring.deb')], { encoding: 'utf8' });
    expect(listed).toContain('./usr/share/keyrings/ccai-archive-keyring.gpg');
  });

  test('no secret is in the site', async () => {
    const { site, debs } = world();
    await put(debs, '1.0');
    await publishTo(site, debs);
    const secret = privateKey.split('\n').slice(2, 6);
    for (const name of readdirSync(site, { recursive: true, encoding: 'utf8' })) {
      if (!statSync(join(site, name)).isFile()) continue;
      const text = readFileSync(join(site, name), 'latin1');
      expect(text).not.toContain('PRIVATE KEY');
      for (const line of secret) expect(text).not.toContain(line.trim());
    }
  });

  test('a key is in no argument and no environment of another program, and in no line that is printed', async () => {
    const { site, debs } = world();
    await put(debs, '1.0');
    const bin = newFolder('bin');
    const seen = join(bin, 'seen');
    const wrapped = (program: string, then: string) => {
      const script = `#!/bin/sh\n{ echo ${program}; tr '\\0' '\\n' < /proc/$$/cmdline; tr '\\0' '\\n' < /proc/$PPID/cmdline; env; } >> ${seen}\n${then}\n`;
      writeFileSync(join(bin, program), script, { mode: 0o755 });
    };
    wrapped('xz', `exec ${execFileSync('which', ['xz'], { encoding: 'utf8' }).trim()} "$@"`);
    wrapped('gpg', 'echo no >&2; exit 2');
    const main = resolve(import.meta.dirname, '../../src/cli/main.ts');
    const env = {
      PATH: `${bin}:${process.env.PATH}`,
      HOME: bin,
      IMGBUILD_SIGNING_KEY: privateKey,
      IMGBUILD_SIGNING_PASSPHRASE: 'a passphrase of tests',
      IMGBUILD_DEBUG: '1',
    };
    const imgbuild = (...args: string[]) =>
      spawnSync(process.execPath, [main, '-C', debs, 'apt', ...args], { env, encoding: 'utf8' });
    const runs = [
      imgbuild('publish', debs, '-o', site, '--json'),
      imgbuild('key', 'show', '--json'),
      imgbuild('publish', debs, '-o', site, '--sign-key', 'gpg:nobody'),
    ];
    expect(runs.map(({ status }) => status)).toEqual([0, 0, 2]);
    const said = [readFileSync(seen, 'utf8'), ...runs.map(({ stdout, stderr }) => stdout + stderr)].join('\n');
    expect(said).toMatch(/^xz$/m);
    expect(said).toMatch(/^gpg$/m);
    expect(said).toMatch(/main\.ts/);
    expect(said).not.toMatch(/PRIVATE KEY|a passphrase of tests/);
    for (const line of privateKey.trim().split('\n').slice(2, -2)) expect(said).not.toContain(line.trim());
  });
});
