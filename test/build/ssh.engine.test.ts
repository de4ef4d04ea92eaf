import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, realpathSync } from 'node:fs';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { installPackages } from '../../scripts/support/apt.ts';
import { Failure } from '../../src/failure.ts';
import { engineProject, outcomes, readSaved, type EngineProject } from '../support/engine-project.ts';

beforeAll(() => installPackages(['openssh-client'], () => {}));

const projects: EngineProject[] = [];
const agents: ChildProcess[] = [];
afterEach(async () => {
  for (const agent of agents.splice(0)) {
    agent.kill();
    await once(agent, 'exit');
  }
  for (const project of projects.splice(0)) await project.remove();
});

/** A program and the libraries that it needs, at their places below a folder. */
function copyProgram(program: string, to: string): void {
  const libraries = execFileSync('ldd', [program], { encoding: 'utf8' }).matchAll(/(\/\S+) \(0x/g);
  for (const path of [program, ...[...libraries].map(([, library]) => library!)]) {
    mkdirSync(join(to, dirname(path)), { recursive: true });
    cpSync(realpathSync(path), join(to, path));
  }
}

/** An agent with a key of its own; returns the public key. */
async function startAgent(socket: string): Promise<string> {
  const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
  agents.push(agent);
  while (!existsSync(socket)) await sleep(20);
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', `${socket}.key`]);
  execFileSync('ssh-add', ['-q', `${socket}.key`], { env: { ...process.env, SSH_AUTH_SOCK: socket } });
  return readFileSync(`${socket}.key.pub`, 'utf8').split(' ')[1]!;
}

describe.each(['classic', 'current'] as const)('ssh: on the %s engine', (name) => {
  const engine = inject('engines')[name];

  const open = async (ssh: string, dockerfile: string): Promise<EngineProject> => {
    if (!engine.available) throw new Error(engine.because);
    const project = await engineProject(engine, {
      'imgbuild.yaml': `version: 1
name: tiny
layers:
  base: { context: base, image: tiny_base, ssh: ${ssh} }
bases: { "tiny:1": oci:./bases/tiny }
`,
      'base/Dockerfile': dockerfile,
    });
    projects.push(project);
    return project;
  };

  it.skipIf(!engine.available)(
    'lends a step the agents that the layer names, and asks them for nothing else',
    async () => {
      const project = await open(
        '[default, "deploy=./agents/deploy"]',
        `FROM tiny:1
COPY root /
RUN --mount=type=ssh ssh-add -L > /default.txt
RUN --mount=type=ssh,id=deploy ssh-add -L > /deploy.txt
RUN test -z "$SSH_AUTH_SOCK"
`,
      );
      copyProgram('/usr/bin/ssh-add', join(project.root, 'base/root'));
      mkdirSync(join(project.root, 'agents'));
      const mine = join(project.root, 'agents/mine');
      const keys = [await startAgent(mine), await startAgent(join(project.root, 'agents/deploy'))];
      const env = { ...project.engine.env, SSH_AUTH_SOCK: mine };
      const report = await project.build({ env });
      const { tars } = await readSaved(await project.store(), 'tiny_base', report.layers[0]!.digest);
      const found = keys.map((key) => tars.map((tar) => tar.includes(key)));
      // Below is tiny:1 and what COPY brought.
      expect(found.map((each) => each.slice(-3))).toEqual([
        [true, false, false],
        [false, true, false],
      ]);
      // An agent is no input: another one, or none, changes nothing.
      expect(outcomes(await project.build({ env: project.engine.env }))).toEqual({ base: 'reused' });
    },
  );

  it.skipIf(!engine.available)('names ssh: of imgbuild.yaml where there is no agent', async () => {
    const project = await open('[default]', 'FROM tiny:1\nRUN --mount=type=ssh true\n');
    const error = await project.build({ env: { ...project.engine.env, SSH_AUTH_SOCK: '' } }).catch(String);
    expect(error).toContain('there is no SSH agent for ssh: default, SSH_AUTH_SOCK is not set');
  });

  it.skipIf(!engine.available)('says what a step that must have an agent lacks', async () => {
    const project = await open('[]', 'FROM tiny:1\nRUN --mount=type=ssh,required=true true\n');
    const failure = await project.build().catch((thrown: unknown) => thrown);
    expect(failure).toBeInstanceOf(Failure);
    expect(failure, String(failure)).toMatchObject({
      at: { file: 'base/Dockerfile', line: 2 },
      fix: expect.stringContaining('in imgbuild.yaml: ssh: [default]'),
    });
  });
});

const current = inject('engines').current;
it.skipIf(!current.available)('a builder that buildx does not know is a wrong call', async () => {
  if (!current.available) return;
  const project = await engineProject(current, {
    'imgbuild.yaml':
      'version: 1\nname: tiny\nlayers:\n  base: { context: base }\nbases: { "tiny:1": oci:./bases/tiny }\n',
    'base/Dockerfile': 'FROM tiny:1\n',
  });
  projects.push(project);
  await expect(project.build({ builder: 'nosuch' })).rejects.toMatchObject({
    doing: 'asking the builder nosuch',
    kind: 'input',
  });
});
