import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { layerAgents } from '../../src/build/layer-secrets.ts';
import { loadConfig } from '../../src/config/load.ts';

async function project(ssh: string) {
  const root = mkdtempSync(path.join(tmpdir(), 'imgbuild-agents-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const file = path.join(root, 'imgbuild.yaml');
  writeFileSync(path.join(root, 'Dockerfile'), 'FROM scratch\n');
  writeFileSync(file, `version: 1\nname: a\nlayers:\n  app: { context: ., ssh: ${ssh} }\n`);
  const config = await loadConfig(file);
  return { root, agents: (env: NodeJS.ProcessEnv) => layerAgents(config, config.layers[0]!, env) };
}

test('agents are given as the builder takes them: paths from the root, variables from the environment', async () => {
  const { root, agents } = await project('[default, "one=./key,$SOCK", "two=${SOCK}"]');
  const [key, socket] = [path.join(root, 'key'), path.join(root, 'socket')];
  for (const each of [key, socket]) writeFileSync(each, '');
  expect(agents({ SSH_AUTH_SOCK: socket, SOCK: socket })).toEqual(['default', `one=${key},${socket}`, `two=${socket}`]);
});

test.each([
  ['[default]', {}, 'there is no SSH agent for ssh: default, SSH_AUTH_SOCK is not set', /ssh-agent.*ssh: \["default=P/],
  ['[default]', { SSH_AUTH_SOCK: '/nowhere' }, 'SSH_AUTH_SOCK names /nowhere, which is not there', /ssh-agent/],
  ['["id=gone"]', {}, 'the socket or key gone of ssh: id does not exist', /name another path/],
  ['["id=$GONE"]', {}, 'the variable GONE of ssh: id=$GONE is not set', /set GONE/],
])('ssh: %s with %j is shown at its place', async (ssh, env, because, fix) => {
  const { agents } = await project(ssh);
  expect(() => agents(env)).toThrow(
    expect.objectContaining({
      kind: 'input',
      because: expect.stringContaining(because),
      fix: expect.stringMatching(fix),
      at: expect.objectContaining({ file: 'imgbuild.yaml', line: 4, column: 28 }),
    }),
  );
});
