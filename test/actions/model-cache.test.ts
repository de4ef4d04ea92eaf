import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { removeJob, runAction, type ActionResult } from '../support/action-run.ts';
import { startCacheService, type CacheService } from '../support/cache-service.ts';

// Each runs an action several times, as processes of their own.
vi.setConfig({ testTimeout: 120_000 });

const weights = randomBytes(3_000_000);
let service: CacheService;
let models: Server;
let asked: number;
let workspace: string;
let home: string;
beforeEach(async () => {
  service = await startCacheService();
  asked = 0;
  models = createServer((_request, response) => {
    asked++;
    response.writeHead(200, { 'content-length': weights.length }).end(weights);
  });
  await new Promise<void>((done) => models.listen(0, '127.0.0.1', done));
  workspace = mkdtempSync(path.join(tmpdir(), 'imgbuild-workspace-'));
  home = mkdtempSync(path.join(tmpdir(), 'imgbuild-home-'));
  declare(`http://127.0.0.1:${(models.address() as AddressInfo).port}/net.bin`);
});
afterEach(async () => {
  await service.close();
  models.closeAllConnections();
  models.close();
  for (const folder of [workspace, home]) rmSync(folder, { recursive: true, force: true });
});

function declare(url: string): void {
  const sha256 = createHash('sha256').update(weights).digest('hex');
  writeFileSync(
    path.join(workspace, 'imgbuild.yaml'),
    `version: 1
name: greeter
store: ./store
layers: {}
models:
  net:
    maintainer: Acme <dev@example.com>
    source: { url: '${url}', sha256: ${sha256} }
    targets: [deb]
`,
  );
}

/** On a runner that has nothing of the last one. */
async function onFreshRunner(
  inputs: Record<string, string> = {},
  env: Record<string, string> = {},
): Promise<Pick<ActionResult, 'exitCode' | 'log'> & { sha256: string }> {
  for (const folder of [home, path.join(workspace, 'store'), path.join(workspace, 'debs')]) {
    rmSync(folder, { recursive: true, force: true });
  }
  mkdirSync(home);
  const result = await runAction(
    'build-debs',
    workspace,
    { version: '1.0.0', ...inputs },
    {
      HOME: home,
      RUNNER_ENVIRONMENT: 'github-hosted',
      ...service.env,
      ...env,
    },
  );
  removeJob(result);
  const { exitCode, log, outputs } = result;
  expect(exitCode, log).toBe(0);
  return { exitCode, log, sha256: (JSON.parse(outputs.packages!) as { sha256: string }[])[0]!.sha256 };
}

test('what one runner fetched for a model another one finds in GitHub’s cache', async () => {
  const first = await onFreshRunner();
  expect(asked).toBe(1);
  expect(service.kept.size).toBe(1);
  const second = await onFreshRunner();
  expect(second.log).toContain("from GitHub's cache");
  expect(second.sha256).toBe(first.sha256);
  expect(asked).toBe(1);
});

test('an address that never gave these bytes is asked for them, whatever the cache has', async () => {
  await onFreshRunner();
  declare(`http://127.0.0.1:${(models.address() as AddressInfo).port}/other.bin`);
  await onFreshRunner();
  expect(asked).toBe(2);
  expect(service.kept.size).toBe(2);
});

test('a file of the cache that is damaged is fetched', async () => {
  const first = await onFreshRunner();
  const [key] = service.kept.keys();
  const damaged = service.kept.get(key!)!;
  // Where it is packed its sum tells; as an archive it is no longer one.
  service.kept.set(key!, Buffer.concat([damaged.subarray(0, 1_000_000), randomBytes(damaged.length - 1_000_000)]));
  const second = await onFreshRunner();
  expect(second.sha256).toBe(first.sha256);
  expect(asked).toBe(2);
});

test('a cache that fails costs no package', async () => {
  service.fails = true;
  await onFreshRunner();
  expect(asked).toBe(1);
  expect(service.requests).toBeGreaterThan(0);
});

test.each<[string, Record<string, string>, (folder: string) => Record<string, string>]>([
  ['a runner of one’s own', {}, () => ({ RUNNER_ENVIRONMENT: 'self-hosted' })],
  ['an action that is told not to', { 'keep-models': 'false' }, () => ({})],
  ['a pull request of a fork', {}, (folder) => pullRequest(folder, 'somebody/app')],
  ['a run with the rights of the repository', {}, () => ({ GITHUB_EVENT_NAME: 'pull_request_target' })],
])('%s asks the cache for nothing', async (_, inputs, env) => {
  await onFreshRunner(inputs, env(workspace));
  expect(service.requests).toBe(0);
});

test('a pull request of the repository keeps what it fetched, one that only reads keeps nothing', async () => {
  await onFreshRunner({ 'read-only': 'true' }, pullRequest(workspace, 'acme/app'));
  expect(service.kept.size).toBe(0);
  await onFreshRunner({}, pullRequest(workspace, 'acme/app'));
  expect(service.kept.size).toBe(1);
});

function pullRequest(folder: string, from: string): Record<string, string> {
  const event = { pull_request: { head: { repo: { full_name: from } } }, repository: { full_name: 'acme/app' } };
  const file = path.join(folder, 'event.json');
  writeFileSync(file, JSON.stringify(event));
  return { GITHUB_EVENT_NAME: 'pull_request', GITHUB_EVENT_PATH: file };
}
