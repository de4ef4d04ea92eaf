import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { examine } from '../../src/build/examine.ts';
import { loadConfig } from '../../src/config/load.ts';
import { startMemoryRegistry, type MemoryRegistry } from '../support/registry-memory.ts';

let folder: string;
let registry: MemoryRegistry;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'imgbuild-examine-'));
  registry = await startMemoryRegistry();
  vi.stubEnv('DOCKER_CONFIG', folder);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await registry.close();
  rmSync(folder, { recursive: true, force: true });
});

async function storeFinding(layers = 'layers:\n  app: { context: ., image: app }\n') {
  writeFileSync(join(folder, 'Dockerfile'), 'FROM scratch\n');
  const file = join(folder, 'imgbuild.yaml');
  writeFileSync(file, `version: 1\nname: app\nstore: ${registry.host}/acme/app\n${layers}`);
  const findings = await examine({
    config: await loadConfig(file),
    directory: folder,
    env: { PATH: folder, DOCKER_HOST: `unix://${folder}/no.sock` },
    signal: new AbortController().signal,
  });
  return findings.find(({ subject }) => subject === 'store');
}

test('doctor asks whether this login may write to the store, and writes nothing', async () => {
  expect(await storeFinding()).toMatchObject({ level: 'ok', text: expect.stringContaining('can be read and written') });
  expect([registry.uploads.size, registry.blobs.size, registry.manifests.size]).toEqual([0, 0, 0]);
});

test('doctor asks for a configuration of packages alone, too', async () => {
  const packages = 'layers: {}\ndebs: { files: { description: f, maintainer: A <a@b.c> } }\n';
  expect(await storeFinding(packages)).toMatchObject({ level: 'ok' });
});

test('doctor tells a store that this login may only read', async () => {
  const body = JSON.stringify({ errors: [{ code: 'DENIED', message: 'requested access is denied' }] });
  registry.fault = ({ method }) => (method === 'POST' ? { status: 403, body } : undefined);
  expect(await storeFinding()).toMatchObject({
    level: 'error',
    text: expect.stringContaining('asking for the right to push'),
    fix: expect.any(String),
  });
});

test('doctor names the programs that are missing, and the packages that have them', async () => {
  const env = { PATH: folder, HOME: folder, DOCKER_HOST: `unix://${folder}/no.sock` };
  const { signal } = new AbortController();
  const findings = await examine({ config: undefined, directory: folder, env, signal });
  const programs = findings.filter(({ subject }) => subject === 'program');
  expect(programs.map(({ level, text, fix }) => [level, text.replace(/:.*/, ''), fix])).toEqual([
    ['warning', 'git is missing', 'apt-get install git'],
    ['warning', 'xz is missing', 'apt-get install xz-utils'],
    ['warning', 'zstd is missing', 'apt-get install zstd'],
    ['warning', 'gpg is missing', 'apt-get install gpg'],
  ]);
});
