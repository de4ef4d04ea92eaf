import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as openpgp from 'openpgp';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { parse } from 'yaml';
import { verifyDetached } from '../../src/signing/openpgp.ts';
import { removeJob, runAction, type ActionResult } from '../support/action-run.ts';

const root = path.resolve(import.meta.dirname, '../..');
const passphrase = 'a passphrase of tests';
const signing = ['build-debs', 'release', 'ota-diff', 'publish-apt'];

// Each runs an action several times, as processes of their own.
vi.setConfig({ testTimeout: 120_000 });

let workspace: string;
let key: { privateKey: string; publicKey: string };
const results: ActionResult[] = [];
beforeAll(async () => {
  workspace = mkdtempSync(path.join(tmpdir(), 'imgbuild-workspace-'));
  cpSync(path.resolve(import.meta.dirname, '../workflows/consumer'), workspace, { recursive: true });
  const userIDs = [{ name: 'Acme', email: 'release@example.com' }];
  key = await openpgp.generateKey({ type: 'ecc', curve: 'ed25519Legacy', userIDs, passphrase, format: 'armored' });
});
afterEach(() => {
  for (const result of results.splice(0)) removeJob(result);
});
afterAll(() => rmSync(workspace, { recursive: true, force: true }));

async function run(name: string, inputs: Record<string, string>, env: Record<string, string> = {}) {
  const common: Record<string, string> = name === 'ota-diff' ? { from: '1.0.0', to: '1.1.0' } : { version: '1.0.0' };
  const own: Record<string, string> = name === 'release' ? { 'dry-run': 'true' } : {};
  const result = await runAction(name, workspace, { ...common, ...own, 'sign-key': key.privateKey, ...inputs }, env);
  results.push(result);
  return result;
}

describe.each(signing)('%s', (name) => {
  test('refuses a key with a passphrase where that is missing or another one, and shows neither', async () => {
    for (const given of ['', 'some other passphrase']) {
      const { exitCode, log, annotations } = await run(name, { 'sign-passphrase': given });
      expect(exitCode).toBe(1);
      expect(annotations[0]!.message).toMatch(/passphrase/);
      const printed = log.split('\n').filter((line) => !line.startsWith('::add-mask::'));
      expect(printed.join('\n')).not.toContain('some other passphrase');
    }
  });

  test('unlocks the key with the input, or with the variable, and has both masked', async () => {
    const byInput = await run(name, { 'sign-passphrase': passphrase });
    const byVariable = await run(name, {}, { IMGBUILD_SIGNING_PASSPHRASE: passphrase });
    for (const { log, masks } of [byInput, byVariable]) {
      expect(log).not.toMatch(/passphrase$|locked|sign-key/m);
      expect(masks).toContain(passphrase);
      const printed = log.split('\n').filter((line) => !line.startsWith('::add-mask::'));
      expect(printed.join('\n')).not.toContain(passphrase);
    }
  });
});

test('what a key with a passphrase signed is verified with its public key', async () => {
  const { exitCode, outputs, log } = await run('build-debs', { 'sign-passphrase': passphrase, output: 'signed' });
  expect(exitCode, log).toBe(0);
  const [sums, signature] = [readFileSync(outputs.checksums!), readFileSync(outputs.signature!)];
  const names = { document: 'the checksums', keyring: 'the ring' };
  await verifyDetached(sums, signature, Buffer.from(key.publicKey), names);
  await expect(verifyDetached(Buffer.from('x'), signature, Buffer.from(key.publicKey), names)).rejects.toThrow();
});

test('a program that a package is built with sees neither the key nor the passphrase', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'imgbuild-workspace-'));
  try {
    writeFileSync(
      path.join(folder, 'see.mjs'),
      `import { writeFileSync } from 'node:fs';
writeFileSync(\`\${process.env.IMGBUILD_OUTPUT}/model.bin\`, Object.entries(process.env).map((pair) => pair.join('=')).join('\\n'));
`,
    );
    writeFileSync(path.join(folder, 'Dockerfile'), 'FROM scratch\n');
    writeFileSync(
      path.join(folder, 'imgbuild.yaml'),
      `version: 1
name: app
store: ./store
layers: { app: { context: ., image: app } }
debs:
  app-files:
    description: Files
    maintainer: Acme <dev@example.com>
    contents: [{ src: see.mjs, dst: /usr/share/app/see.mjs }]
models:
  seen:
    files: [see.mjs]
    convert: { command: [node, see.mjs], inputs: [see.mjs], outputs: [model.bin] }
    targets: [deb]
`,
    );
    const inputs = { version: '1.0.0', 'sign-key': key.privateKey, 'sign-passphrase': passphrase };
    const env = { XDG_CACHE_HOME: path.join(folder, 'cache'), IMGBUILD_SIGNING_PASSPHRASE: passphrase };
    const result = await runAction('build-debs', folder, inputs, env);
    results.push(result);
    expect(result.exitCode, result.log).toBe(0);
    const { paths } = result.outputs;
    const deb = paths!.split('\n').find((file) => file.includes('model'))!;
    const all = spawnSync('dpkg-deb', ['--fsys-tarfile', deb], { encoding: 'latin1' }).stdout;
    expect(all).toContain('XDG_CACHE_HOME=');
    expect(all).not.toContain(passphrase);
    expect(all).not.toContain('PRIVATE KEY');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('the workflows hand on what their callers give, under either name', () => {
  for (const name of ['release', 'ota', 'apt']) {
    const text = readFileSync(path.join(root, `workflows/${name}.yml`), 'utf8');
    const { on } = parse(text) as { on: { workflow_call: { secrets: Record<string, unknown> } } };
    const names = ['sign-key', 'IMGBUILD_SIGNING_KEY', 'sign-passphrase', 'IMGBUILD_SIGNING_PASSPHRASE'];
    expect(Object.keys(on.workflow_call.secrets)).toEqual(expect.arrayContaining(names));
    const [keys, passphrases] = ['sign-key', 'sign-passphrase'].map(
      (input) => text.split(` ${input}: \${{`).length - 1,
    );
    expect(passphrases).toBe(keys);
    expect(keys).toBeGreaterThan(0);
  }
});
