import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { Command } from 'commander';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CommandContext } from '../../src/cli/command.ts';
import { addPai } from '../../src/cli/pai.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { exitCodeOf, renderError, styleFor } from '../../src/report/failure.ts';
import { streamProgress } from '../../src/report/progress.ts';
import { newRepository, saveAll } from '../plan/saved-project.ts';
import { startMemoryRegistry, type MemoryRegistry } from '../support/registry-memory.ts';

const plain = styleFor({}, {});
const password = 'pa$$ "w0rd';
let registry: MemoryRegistry;
let folder: string;

beforeAll(async () => {
  registry = await startMemoryRegistry();
  registry.auth = { kind: 'basic', user: 'openpai', password };
  const locked = { manifest: digestOf('base'), env: [], onbuild: [] };
  folder = newRepository({
    'imgbuild.yaml': 'version: 1\nname: pai\ninclude: { pai: ./pai-management }\nlayers: { own: { context: own } }\n',
    'imgbuild.lock': `${JSON.stringify({ base: 'debian:12', from: 'registry', index: null, platforms: { 'linux/amd64': locked, 'linux/arm64': locked } })}\n`,
    'own/Dockerfile': 'FROM base-image\n',
    'pai-management/src/base-image/Dockerfile': 'FROM debian:12\n',
    'pai-management/src/base-image/image.yaml': '',
    'pai-management/src/webportal/Dockerfile': 'FROM base-image\n',
    'pai-management/src/webportal/image.yaml': '',
    'cluster/x': '',
  });
  await saveAll(folder);
});
afterAll(() => registry.close());

const cluster = (secret: string) =>
  writeFileSync(
    path.join(folder, 'cluster/services-configuration.yaml'),
    `cluster:\n  docker-registry:\n    domain: ${registry.host}\n    namespace: ns\n    username: openpai\n    password: ${JSON.stringify(secret)}\n    tag: v1\n`,
  );

async function run(...args: string[]) {
  const [out, err] = [new PassThrough(), new PassThrough()];
  const context: CommandContext = {
    directory: folder,
    file: undefined,
    json: false,
    stdout: out,
    stderr: err,
    progress: streamProgress(err, plain),
    signal: new AbortController().signal,
  };
  const program = new Command('imgbuild').exitOverride();
  addPai(program, () => context);
  const status = await program.parseAsync(['pai', 'image', ...args], { from: 'user' }).then(
    () => 0,
    (error: unknown) => {
      err.write(renderError(error, plain));
      return exitCodeOf(error);
    },
  );
  return { status, stdout: String(out.read() ?? ''), stderr: String(err.read() ?? '') };
}

test("pushes the tree's images with the cluster's namespace, tag and login, which nothing shows", async () => {
  cluster(password);
  const { status, stdout, stderr } = await run('push', '-p', 'cluster');
  expect({ status, stderr }).toMatchObject({ status: 0 });
  expect(stdout.split('\n').map((line) => line.split(' ')[0])).toEqual([
    `${registry.host}/ns/base-image:v1`,
    `${registry.host}/ns/webportal:v1`,
    '',
  ]);
  expect(registry.manifests.has('ns/webportal:v1')).toBe(true);
  expect(registry.manifests.has('ns/own:v1')).toBe(false);
  expect(stdout + stderr).not.toContain(password);
});

test('a wrong password is told, and not shown', async () => {
  cluster('wr0ng');
  const { status, stdout, stderr } = await run('push', '-p', 'cluster', '-n', 'webportal');
  expect(status).toBe(1);
  expect(stderr).toContain(registry.host);
  expect(stdout + stderr).not.toContain('wr0ng');
});

test('without -p the store gets the tag; a name or a folder that is not there is a call that is wrong', async () => {
  const { status, stdout } = await run('push', '-n', 'webportal');
  expect(status).toBe(0);
  expect(stdout).toContain('webportal:latest');
  expect(await run('push', '-n', 'web')).toMatchObject({ status: 2 });
  const missing = await run('build', '-p', 'nowhere');
  expect(missing.status).toBe(2);
  expect(missing.stderr).toContain('nowhere/services-configuration.yaml');
});
