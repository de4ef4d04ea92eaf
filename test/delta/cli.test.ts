import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { generateSigningKey } from '../../src/signing/generate-key.ts';
import { noise, sampleTar, writeOciArchive } from './sample-image.ts';

const main = resolve(import.meta.dirname, '../../src/cli/main.ts');
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'imgbuild-ota-'));
  writeOciArchive(join(folder, 'old.tar'), [sampleTar([{ name: 'app', bytes: noise(50_000, 1) }])], {
    reference: 'app:1',
  });
  writeOciArchive(
    join(folder, 'new.tar'),
    [sampleTar([{ name: 'app', bytes: Buffer.concat([noise(50_000, 1), Buffer.from('!')]) }])],
    { reference: 'app:2' },
  );
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function ota(args: string[], env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, '-C', folder, 'ota', ...args], {
    env: { ...process.env, ...env },
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

test('diff, inspect and verify as a user types them; one JSON document where it is asked for', async () => {
  const key = await generateSigningKey('t <t@example.com>');
  writeFileSync(join(folder, 'keys.asc'), key.publicKey);
  const made = ota(['diff', 'oci-archive:old.tar', 'oci-archive:new.tar', '-o', 'd.ota.tar', '--json'], {
    IMGBUILD_SIGNING_KEY: key.privateKey,
  });
  expect(made).toMatchObject({ status: 0 });
  const [delta] = JSON.parse(made.stdout).deltas;
  expect(delta).toMatchObject({ path: join(folder, 'd.ota.tar'), bytes: statSync(join(folder, 'd.ota.tar')).size });
  expect(delta.signedBy).toMatch(/^[0-9A-F]{40}$/);
  expect(made.stdout + made.stderr).not.toContain('PRIVATE KEY');
  const inspected = ota(['inspect', 'd.ota.tar', '--json']);
  expect(JSON.parse(inspected.stdout)).toMatchObject({ schema: 1, signed: true, images: [{ reference: 'app:2' }] });
  expect(ota(['inspect', 'd.ota.tar']).stdout).toMatch(/changed +app: 1 B new.*packages unknown/s);
  expect(ota(['inspect', 'd.ota.tar', '--from', 'oci-archive:old.tar']).stdout).toMatch(/by package\n.*of no package/);
  const verified = ota(['verify', 'd.ota.tar', '--from', 'oci-archive:old.tar', '--keyring', 'keys.asc']);
  expect(verified).toMatchObject({ status: 0, stdout: expect.stringMatching(/^good .*t <t@example\.com>/) });
  const wrong = ota(['verify', 'd.ota.tar', '--from', 'oci-archive:new.tar', '--keyring', 'keys.asc']);
  expect(wrong).toMatchObject({ status: 2, stdout: '' });
  expect(ota(['verify', 'd.ota.tar', '--from', 'oci-archive:old.tar'])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('--allow-unsigned'),
  });
  expect(ota(['apply', 'd.ota.tar'])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('no keyring is given'),
  });
  const away = { DOCKER_HOST: `unix://${folder}/none.sock` };
  expect(ota(['apply', 'd.ota.tar', '--keyring', 'keys.asc', '--state', 'state'], away)).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('not installed or not running'),
  });
}, 120_000);

test('several FROM go into a folder, each under its own name', () => {
  writeOciArchive(join(folder, 'older.tar'), [sampleTar([{ name: 'app', bytes: 'older' }])], { reference: 'app:0' });
  mkdirSync(join(folder, 'out'));
  expect(
    ota(['diff', 'oci-archive:older.tar', 'oci-archive:old.tar', 'none', 'oci-archive:new.tar', '-o', 'out']),
  ).toMatchObject({ status: 0 });
  const names = readdirSync(join(folder, 'out'));
  expect(names).toHaveLength(3);
  for (const name of names) expect(name).toMatch(/^app_([0-9a-f]{12}|none)_[0-9a-f]{12}_linux-[a-z0-9]+\.ota\.tar$/);
  expect(ota(['diff', 'oci-archive:old.tar', '-o', 'x'])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('FROM and TO'),
  });
}, 120_000);

test('Ctrl-C leaves nothing', async () => {
  writeOciArchive(join(folder, 'new.tar'), [sampleTar([{ name: 'big', bytes: noise(12_000_000, 2) }])], {
    compression: 'none',
  });
  const child = spawn(
    process.execPath,
    [main, '-C', folder, 'ota', 'diff', 'oci-archive:old.tar', 'oci-archive:new.tar', '-o', 'd.ota.tar'],
    { stdio: 'ignore' },
  );
  const ended = new Promise<number | null>((done) => child.on('exit', (code) => done(code)));
  // It works in a folder of its own: once that is there, it is in the middle.
  while (!readdirSync(folder).some((name) => name.startsWith('.imgbuild')))
    await new Promise((next) => setTimeout(next, 20));
  child.kill('SIGINT');
  expect(await ended).toBe(130);
  expect(readdirSync(folder).toSorted()).toEqual(['new.tar', 'old.tar']);
}, 120_000);

test('the format is chosen, and what is no format or no memory is told', () => {
  const diff = (format: string) =>
    ota([
      'diff',
      'oci-archive:old.tar',
      'oci-archive:new.tar',
      '-o',
      `${format}.ota.tar`,
      '--format',
      format,
      '--json',
    ]);
  const formats = ['oci-delta', 'imgbuild'].map(
    (format) => JSON.parse(diff(format).stdout).deltas[0].images[0].layers[0].format,
  );
  expect(formats).toEqual(['tar-diff', 'imgbuild']);
  const wrong = diff('zip');
  expect(wrong).toMatchObject({ status: 2, stderr: expect.stringContaining('auto, oci-delta, imgbuild') });
  const verify = (memory: string) =>
    ota(['verify', 'imgbuild.ota.tar', '--from', 'oci-archive:old.tar', '--allow-unsigned', '--memory', memory]);
  expect(verify('1')).toMatchObject({ status: 2, stderr: expect.stringMatching(/needs [0-9]+ MiB .*1 are granted/s) });
  expect(verify('much')).toMatchObject({ status: 2, stderr: expect.stringContaining('no number of MiB') });
  expect(verify('64')).toMatchObject({ status: 0 });
}, 120_000);
