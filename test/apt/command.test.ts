import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { installPackages } from '../../scripts/support/apt.ts';
import { newFolder, put } from './support/archive.ts';
import { readArchive } from './support/read-archive.ts';

// Programs and file systems take their time on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

const main = resolve(import.meta.dirname, '../../src/cli/main.ts');
const folder = newFolder('command');
const imgbuild = (args: readonly string[], more: Record<string, string> = {}) =>
  spawnSync(process.execPath, [main, '-C', folder, 'apt', ...args], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, HOME: folder, NO_COLOR: '1', ...more },
  });
const done = (...args: string[]) => {
  const { status, stdout, stderr } = imgbuild(args);
  expect(status, stderr).toBe(0);
  return stdout;
};
const refused = (...args: string[]) => {
  const { status, stdout, stderr } = imgbuild(args);
  expect(status, stderr).toBe(2);
  expect(stdout).toBe('');
  return stderr;
};
const fingerprint = /[0-9A-F]{40}/;

beforeAll(async () => {
  await installPackages(['xz-utils', 'gpgv'], () => {});
  await put(join(folder, 'debs'), '1.0');
  done('key', 'new', 'sign.asc');
}, 120_000);

describe('imgbuild apt key', () => {
  test('makes, shows and rotates a key in a file', () => {
    const made = done('key', 'new', 'key.asc', '--user-id', 'Example <packages@example.com>');
    expect(made).toMatch(/^[0-9A-F]{40} {2}ed25519Legacy, of \d{4}-\d\d-\d\d, never expires {2}Example <packages@/);
    expect(made).toContain('in key.asc: keep it secret, and keep a copy\n');
    expect(statSync(join(folder, 'key.asc')).mode & 0o777).toBe(0o600);
    const [old] = fingerprint.exec(made)!;
    expect(done('key', 'show', 'key.asc')).toMatch(`${old}  `);
    const shown = JSON.parse(done('key', 'show', '--sign-key', 'key.asc', '--json')) as { keys: unknown[] };
    expect(shown.keys).toEqual([
      {
        fingerprint: old,
        userId: 'Example <packages@example.com>',
        algorithm: 'ed25519Legacy',
        created: expect.stringMatching(/^\d{4}-/) as string,
        expires: null,
        publicKey: expect.stringContaining('PUBLIC KEY BLOCK') as string,
      },
    ]);
    expect(done('key', 'show', 'key.asc', '--public')).toMatch(/^-----BEGIN PGP PUBLIC KEY BLOCK-----\n/);
    const rotated = done('key', 'rotate', 'key.asc', '--user-id', 'Example <packages@example.com>');
    const prints = [...rotated.matchAll(/^[0-9A-F]{40}/gm)].map(([print]) => print);
    expect(prints).toHaveLength(2);
    expect(prints[1]).toBe(old);
    expect(refused('key', 'rotate', 'key.asc')).toMatch(/it holds 2 keys already[\s\S]*--drop-old/);
    expect(done('key', 'rotate', 'key.asc', '--drop-old')).toMatch(prints[0]!);
    expect(refused('key', 'rotate', 'key.asc', '--drop-old')).toMatch(/it holds one key alone/);
  });

  test('says what is wrong, and what to do', () => {
    expect(refused('key', 'show')).toMatch(/IMGBUILD_SIGNING_KEY/);
    expect(refused('key', 'show', 'none.asc')).toMatch(/there is no such file/);
    expect(refused('key', 'new', 'other.asc', '--user-id', 'nobody')).toMatch(/is not NAME <ADDRESS>/);
    expect(refused('key', 'new', 'none/key.asc')).toMatch(/writing the key/);
    expect(existsSync(join(folder, 'other.asc'))).toBe(false);
    writeFileSync(join(folder, 'public.asc'), done('key', 'show', 'sign.asc', '--public'));
    expect(refused('publish', 'debs', '-o', 'none', '--sign-key', 'public.asc')).toMatch(/give an OpenPGP private key/);
    expect(existsSync(join(folder, 'none'))).toBe(false);
  });
});

describe('imgbuild apt publish', () => {
  const signed = ['--sign-key', 'sign.asc'];

  test('prints what it did for people, and for programs', () => {
    const text = done('publish', 'debs', '-o', 'site', ...signed, '--base-url', 'https://example.com/apt');
    expect(text).toMatch(/^\+ hello 1\.0 all {2}\d+ B\n\+ imgbuild-archive-keyring 1 all {2}/);
    expect(text).toMatch(
      /\nstable: 2 packages, signed by [0-9A-F]{40}\nsite {5}site\nsources {2}site\/imgbuild\.sources\n/,
    );
    expect(done('publish', 'debs', '-o', 'site', ...signed)).toMatch(/^stable: unchanged\n/);
    const json = JSON.parse(done('publish', 'debs', '-o', 'other', ...signed, '--name', 'Acme Corp', '--json')) as {
      added: { name: string; file: string; sha256: string }[];
    };
    const [added] = json.added;
    expect(json).toMatchObject({
      schema: 1,
      site: join(folder, 'other'),
      suite: 'stable',
      changed: true,
      dropped: [],
      packages: 2,
      validUntil: null,
      sources: join(folder, 'other/acme-corp.sources'),
      keyring: join(folder, 'other/acme-corp-archive-keyring.deb'),
    });
    expect(readArchive(join(folder, 'other')).map(({ SHA256 }) => SHA256)).toContain(added!.sha256);
    expect(existsSync(added!.file)).toBe(true);
    expect(readFileSync(join(folder, 'other/dists/stable/Release'), 'utf8')).toContain('Origin: Acme Corp\n');
  });

  test('takes the key from the environment', () => {
    const secret = readFileSync(join(folder, 'sign.asc'), 'utf8');
    const { status, stderr } = imgbuild(['publish', 'debs', '-o', 'site'], { IMGBUILD_SIGNING_KEY: secret });
    expect(status, stderr).toBe(0);
    expect(refused('publish', 'debs', '-o', 'site')).toMatch(/there is no key to sign with[\s\S]*apt key new/);
  });

  test.each([
    [['publish', 'debs'], /--output/],
    [['publish', 'none', '-o', 'x', ...signed], /there is no such folder/],
    [['publish', '-o', 'x', ...signed], /there is no suite stable yet/],
    [['publish', 'debs', '-o', 'x', ...signed, '--keep', '0'], /is not a whole number from 1 on/],
    [['publish', 'debs', '-o', 'x', ...signed, '--valid-days', '1.5'], /is not a whole number from 1 on/],
    [['publish', 'debs', '-o', 'x', ...signed, '--suite', '../x'], /a suite is letters, digits/],
    [
      ['publish', 'debs', '-o', 'x', ...signed, '--base-url', 'https://me:secret@example.com'],
      /holds a user name or a password/,
    ],
    [['publish', 'debs', '-o', 'x', ...signed, '--base-url', 'file:///x'], /no plain address/],
    [['publish', 'debs', '-o', 'x', ...signed, '--assets', 'y'], /give --assets-url too/],
    [['publish', 'debs', '-o', 'x', ...signed, '--name', 'a\nb'], /no name of at most 64 plain characters/],
    [['publish', 'debs', '-o', 'debs/hello_1.0_all.deb', ...signed], /a file is in the way/],
  ])('refuses %j', (args, because) => {
    const { status, stdout, stderr } = imgbuild(args);
    expect(stderr).toMatch(because);
    expect(stderr).not.toContain('secret@');
    expect(stdout).toBe('');
    expect(status).toBeGreaterThan(0);
    expect(existsSync(join(folder, 'x/dists'))).toBe(false);
  });
});
