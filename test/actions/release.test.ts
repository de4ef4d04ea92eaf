import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { generateSigningKey } from '../../src/signing/generate-key.ts';
import { verifyDetached } from '../../src/signing/openpgp.ts';
import { filesOfProject, makeSmallProject, releaseSaved, saveImages } from '../release/saved-project.ts';
import { removeJob, runAction, type ActionResult } from '../support/action-run.ts';

let workspace: string;
const results: ActionResult[] = [];
beforeEach(() => {
  workspace = mkdtempSync(path.join(tmpdir(), 'imgbuild-workspace-'));
  cpSync(path.resolve(import.meta.dirname, '../workflows/consumer'), workspace, { recursive: true });
});
afterEach(() => {
  for (const result of results.splice(0)) removeJob(result);
  rmSync(workspace, { recursive: true, force: true });
});

async function run(name: string, inputs: Record<string, string>, env = {}): Promise<ActionResult> {
  const result = await runAction(name, workspace, inputs, env);
  results.push(result);
  return result;
}

test('a dry run of a release says what would happen and changes nothing', async () => {
  const { exitCode, outputs, summary, log } = await run('release', { version: 'v1.0.0', 'dry-run': 'true' });
  expect(exitCode, log).toBe(0);
  expect(outputs).toEqual({ version: '1.0.0', previous: '', outcome: 'dry-run' });
  expect(summary).toContain('### 3 of 3 layers to build');
  expect(log).toMatch(/would release 1\.0\.0: \S*greeter:1\.0\.0, /);
  expect(existsSync(path.join(workspace, '.imgbuild/store/index.json'))).toBe(false);
  expect(existsSync(path.join(workspace, 'release'))).toBe(false);
});

test('a release adds to the summary what became of each layer, and the bytes moved and saved', async () => {
  rmSync(workspace, { recursive: true });
  workspace = makeSmallProject();
  await saveImages(workspace);
  const { exitCode, outputs, summary, log } = await run('release', { version: 'v1.0.0' });
  expect(exitCode, log).toBe(0);
  expect(outputs.outcome).toBe('released');
  expect(summary).toMatch(/### 0 layers built, 1 reused\n/);
  expect(summary).toMatch(/\| <code>service<\/code> \| linux\/\w+ \| reused \|/);
  expect(summary).toMatch(/Moved 0 B, saved [1-9][\d.]* kB\./);
});

test('a dry run of a release that is there writes and publishes nothing, and tells what it holds', async () => {
  rmSync(workspace, { recursive: true });
  workspace = makeSmallProject();
  await releaseSaved(workspace, '1.0.0', { env: { PATH: process.env.PATH } });
  const before = await filesOfProject(workspace);
  const inputs = { version: 'v1.0.0', 'dry-run': 'true', 'release-page': 'true' };
  const { exitCode, outputs, summary, log } = await run('release', inputs);
  expect(exitCode, log).toBe(0);
  expect(outputs).toEqual({ version: '1.0.0', previous: '', outcome: 'dry-run' });
  expect(log).toContain('1.0.0 is released already');
  expect(summary).toContain('### Debian packages');
  expect(await filesOfProject(workspace)).toEqual(before);
});

test('the version is that of the tag which started the workflow', async () => {
  const env = { GITHUB_REF_TYPE: 'tag', GITHUB_REF_NAME: 'v2.1.0' };
  expect((await run('release', { 'dry-run': 'true' }, env)).outputs.version).toBe('2.1.0');
});

test('without a version and a tag the input is named', async () => {
  const { exitCode, annotations } = await run('release', { 'dry-run': 'true' });
  expect(exitCode).toBe(1);
  expect(annotations[0]!.properties.title).toBe('reading the input version');
});

test('tags are not put on what is not built', async () => {
  const { exitCode, annotations } = await run('push-images', { tags: 'nightly' });
  expect(exitCode).toBe(1);
  expect(annotations[0]!.message).toContain('it is not saved as it is declared now');
});

test('packages of files need no image', async () => {
  const { exitCode, outputs, log } = await run('build-debs', { version: '1.0.0', output: 'out' });
  expect(exitCode, log).toBe(0);
  expect(outputs['has-packages']).toBe('true');
  expect(readdirSync(path.join(workspace, 'out'))).toEqual(['debs.SHA256SUMS', 'greeter-host_1.0.0_all.deb']);
  expect(JSON.parse(outputs.packages!)).toMatchObject([{ name: 'greeter-host', file: 'greeter-host_1.0.0_all.deb' }]);
});

test('a delta without a key is refused unless it is allowed', async () => {
  const { exitCode, annotations } = await run('ota-diff', { from: '1.0.0', to: '1.1.0' });
  expect(exitCode).toBe(1);
  expect(annotations[0]!.message).toContain('there is no key');
});

test('build-layer for a platform that no layer has names the layers that there are', async () => {
  const { exitCode, log } = await run('build-layer', { platform: 'linux/riscv64', layers: 'clock' });
  expect(exitCode).toBe(1);
  expect(log).toContain('clock');
});

test('packages alone are a release, too: its checksums are signed, and name the files as a page on GitHub does', async () => {
  const packages = readFileSync(path.join(workspace, 'local.yaml'), 'utf8').replace(
    /^layers:\n(?: .*\n)+/m,
    'layers: {}\n',
  );
  writeFileSync(path.join(workspace, 'packages.yaml'), packages);
  const { privateKey, publicKey } = await generateSigningKey('Acme <release@example.com>');
  const inputs = { version: '1.0.0-rc.1', config: 'packages.yaml', 'sign-key': privateKey };
  const { exitCode, outputs, log, summary } = await run('release', inputs);
  expect(exitCode, log).toBe(0);
  const folder = outputs.directory!;
  const deb = 'greeter-host_1.0.0.rc.1_all.deb';
  expect(readdirSync(folder)).toEqual(['SHA256SUMS', 'SHA256SUMS.asc', deb, 'page.md', 'release.json', 'subjects.txt']);
  const checked = execFileSync('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: folder, encoding: 'utf8' });
  expect(checked).toBe(`${deb}: OK\nrelease.json: OK\n`);
  const [sums, signature] = ['SHA256SUMS', 'SHA256SUMS.asc'].map((name) => readFileSync(path.join(folder, name)));
  const names = { document: 'the sums', keyring: 'the ring' };
  await verifyDetached(sums!, signature!, Buffer.from(publicKey), names);
  expect(summary).toContain('### Debian packages');
  expect(summary).not.toContain('### Images');

  const unsigned = await run('release', { ...inputs, 'sign-key': '' });
  expect(unsigned.exitCode, unsigned.log).toBe(0);
  expect(unsigned.outputs.outcome).toBe('unchanged');
  expect(readdirSync(folder)).not.toContain('SHA256SUMS.asc');
}, 120_000);
