import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { removeJob, runAction, type ActionResult } from '../support/action-run.ts';

let workspace: string;
const results: ActionResult[] = [];
beforeEach(() => {
  workspace = mkdtempSync(path.join(tmpdir(), 'imgbuild-workspace-'));
  cpSync(path.resolve(import.meta.dirname, '../workflows/consumer'), path.join(workspace, 'deploy'), {
    recursive: true,
  });
});
afterEach(() => {
  for (const result of results.splice(0)) removeJob(result);
  rmSync(workspace, { recursive: true, force: true });
});

async function detect(inputs: Record<string, string> = {}, env: Record<string, string> = {}): Promise<ActionResult> {
  const result = await runAction('detect-changed-layers', workspace, { 'working-directory': 'deploy', ...inputs }, env);
  results.push(result);
  return result;
}

test('a plan, a leg for each chain, waves, and a page that shows them', async () => {
  const { exitCode, outputs, summary, log } = await detect();
  expect(exitCode, log).toBe(0);
  expect(JSON.parse(outputs.plan!)).toMatchObject({ schema: 1, hasWork: true });
  expect(readFileSync(outputs['plan-file']!, 'utf8').trim()).toBe(outputs.plan);
  expect(JSON.parse(outputs.matrix!)).toEqual({
    include: [
      { chain: 'greeting', layers: 'greeting greeter', platform: 'linux/amd64', runner: 'ubuntu-latest' },
      { chain: 'clock', layers: 'clock', platform: 'linux/amd64', runner: 'ubuntu-latest' },
    ],
  });
  const waves = JSON.parse(outputs.waves!) as { include: { layers: string }[] }[];
  expect(waves.map((wave) => wave.include.map((leg) => leg.layers))).toEqual([
    ['greeting', 'clock'],
    ['greeter'],
    [],
    [],
  ]);
  expect(outputs['has-work']).toBe('true');
  expect(JSON.parse(outputs.changed!)).toEqual(['greeting', 'greeter', 'clock']);
  expect(summary).toContain('### 3 of 3 layers to build');
  expect(summary).toContain('```mermaid');
});

test('layers and runners can be chosen', async () => {
  const { outputs } = await detect({ layers: 'clock', runners: 'linux/amd64=self-hosted,big' });
  expect(JSON.parse(outputs.matrix!)).toEqual({
    include: [{ chain: 'clock', layers: 'clock', platform: 'linux/amd64', runner: ['self-hosted', 'big'] }],
  });
});

test('a wrong configuration stands on its line in the repository', async () => {
  const file = path.join(workspace, 'deploy/imgbuild.yaml');
  writeFileSync(file, readFileSync(file, 'utf8').replace('version: 1', 'version: 1\ncolour: red'));
  const { exitCode, annotations, outputs } = await detect();
  expect(exitCode).toBe(1);
  expect(outputs).toEqual({});
  expect(annotations[0]).toMatchObject({
    level: 'error',
    properties: { file: 'deploy/imgbuild.yaml', line: '3' },
  });
  expect(annotations[0]!.message).toContain('colour');
});

test("a Dockerfile that cannot be read is annotated on the Dockerfile's line", async () => {
  writeFileSync(path.join(workspace, 'deploy/clock/Dockerfile'), 'FROM scratch\nCOPPY tick.txt /tick.txt\n');
  const { exitCode, annotations, log } = await detect();
  expect(exitCode, log).toBe(1);
  expect(annotations[0]).toMatchObject({ properties: { file: 'deploy/clock/Dockerfile', line: '2' } });
});

test('an input that is neither true nor false is named', async () => {
  const { exitCode, annotations } = await detect({ frozen: 'perhaps' });
  expect(exitCode).toBe(1);
  expect(annotations[0]!.message).toContain('"perhaps" is neither true nor false');
});

test('logins are masked, live in a private folder, and are gone at the end of the job', async () => {
  const result = await detect({ token: 'ghs_token-value', logins: 'reg.example:5000 bot pass-word' });
  expect(result.exitCode, result.log).toBe(0);
  expect(result.masks).toEqual(expect.arrayContaining(['ghs_token-value', 'pass-word']));
  const folders = () => readdirSync(result.temporary).filter((name) => name.startsWith('imgbuild-docker-'));
  expect(folders()).toHaveLength(1);
  const config = readFileSync(path.join(result.temporary, folders()[0]!, 'config.json'), 'utf8');
  expect(Object.keys((JSON.parse(config) as { auths: object }).auths)).toEqual(['ghcr.io', 'reg.example:5000']);
  const end = await result.endJob();
  expect(end.exitCode, end.log).toBe(0);
  expect(folders()).toEqual([]);
});

test('without a store in imgbuild.yaml a plan on GitHub asks for the packages of the repository', async () => {
  const env = { GITHUB_REPOSITORY: 'Acme/App', GITHUB_SERVER_URL: 'https://ghes.invalid' };
  const { exitCode, annotations } = await detect({}, env);
  expect(exitCode).toBe(1);
  expect(annotations[0]!.properties.title + annotations[0]!.message).toContain('containers.ghes.invalid');
  expect(existsSync(path.join(workspace, 'deploy/.imgbuild/store'))).toBe(false);
});
