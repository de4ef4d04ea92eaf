import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse } from 'yaml';
import type { WorkflowTestBed } from './workflow-setup.ts';

/** A repository that uses imgbuild: its own files in a git work tree, nothing of ours beside them. */
export interface Consumer {
  folder: string;
  write(file: string, content: string): void;
  commit(message: string): void;
  remove(): void;
}

export interface ActOptions {
  bed: WorkflowTestBed;
  consumer: Consumer;
  /** `push`, `pull_request`, `workflow_dispatch`. */
  event: string;
  /** The workflow file to run, relative to the consumer's root. */
  workflow: string;
  /** The event's payload. */
  payload?: Record<string, unknown>;
  secrets?: Record<string, string>;
  /** The environment of act itself, and PATH of its steps. */
  env: Record<string, string>;
  /** Keeps what actions/cache keeps, from run to run; gone with the run where absent. */
  cacheFolder?: string;
  /** Further variables of every step. */
  stepEnv?: Record<string, string>;
}

export interface ActRun {
  exitCode: number;
  /** By `job id`, or `job id (matrix leg)`: success or failure. A job that was skipped is not here. */
  jobs: { id: string; matrix: Record<string, unknown>; result: string }[];
  /** Of the last step that set it; by step id. */
  outputs: Record<string, Record<string, string>>;
  summaries: string[];
  annotations: { level: string; message: string; file?: string | undefined; line?: string | undefined }[];
  /** Names of the artifacts, with the files of each. */
  artifacts: Record<string, string[]>;
  /** Path of the folder that holds the artifacts; gone when `dispose` is called. */
  artifactFolder: string;
  /** All that was printed. */
  log: string;
  dispose(): void;
}

interface Line {
  msg?: string;
  job?: string;
  jobID?: string;
  matrix?: Record<string, unknown>;
  jobResult?: string;
  stepID?: string[];
  command?: string;
  name?: string;
  arg?: string;
  content?: string;
  kvPairs?: Record<string, string>;
  raw_output?: boolean;
}

/** Copies `template` into a new git repository with one commit on main and an origin of github.com/acme/app. */
export function makeConsumer(template: string): Consumer {
  const folder = mkdtempSync(path.join(tmpdir(), 'imgbuild-consumer-'));
  cpSync(template, folder, { recursive: true });
  const git = (...args: string[]) => {
    const identity = ['-c', 'user.name=dev', '-c', 'user.email=dev@example.com'];
    const { status, stderr } = spawnSync('git', ['-C', folder, ...identity, ...args], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`git ${args.join(' ')}: ${stderr}`);
  };
  git('init', '-q', '-b', 'main');
  git('remote', 'add', 'origin', 'https://github.com/acme/app');
  const commit = (message: string) => {
    git('add', '-A');
    git('commit', '-q', '-m', message);
  };
  return {
    folder,
    write(file, content) {
      mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
      writeFileSync(path.join(folder, file), content);
    },
    commit,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Runs a workflow file of the consumer as GitHub would, each job as plain processes of this machine. */
export async function runAct(options: ActOptions): Promise<ActRun> {
  const { bed, consumer } = options;
  if (bed.tools.act.kind === 'absent') throw new Error(bed.tools.act.reason);
  const work = mkdtempSync(path.join(tmpdir(), 'imgbuild-act-'));
  const artifactFolder = path.join(work, 'artifacts');
  const home = path.join(work, 'home');
  mkdirSync(home);
  const eventFile = path.join(work, 'event.json');
  writeFileSync(eventFile, JSON.stringify(options.payload ?? {}));
  const flag = (name: string, entries: Record<string, string>) =>
    Object.entries(entries).flatMap(([key, value]) => [name, `${key}=${value}`]);
  const args = [
    [options.event, '-C', consumer.folder, '-W', options.workflow, '-e', eventFile, '--json', '--rm'],
    ['ubuntu-latest', 'ubuntu-24.04', 'ubuntu-24.04-arm'].flatMap((label) => ['-P', `${label}=-self-hosted`]),
    ['--local-repository', `org/imgbuild@v1=${bed.published}`],
    pinnedStandIns(bed).flatMap((value) => ['--local-repository', value]),
    ['--artifact-server-path', path.join(work, 'server'), '--artifact-server-addr', '127.0.0.1'],
    ['--artifact-server-port', String(await freePort())],
    ['--cache-server-path', options.cacheFolder ?? path.join(work, 'cache'), '--cache-server-addr', '127.0.0.1'],
    flag('--env', { ...options.stepEnv, IMGBUILD_TEST_ARTIFACTS: artifactFolder }),
    flag('-s', options.secrets ?? {}),
  ].flat();
  const env = {
    ...options.env,
    HOME: home,
    XDG_CACHE_HOME: path.join(work, 'xdg'),
    // `using: node24` takes the first node there is.
    PATH: [path.dirname(process.execPath), options.env.PATH].join(path.delimiter),
  };
  const act = spawn(bed.tools.act.path, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [act.stdout, act.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
  const code = await new Promise<number>((resolve) => act.on('close', (status) => resolve(status ?? 1)));
  const lines = text.split('\n').filter(Boolean).map(readLine);
  const log = lines.map((line) => `${line.job ?? ''} | ${(line.msg ?? '').trimEnd()}`).join('\n');
  // act ends with 0 on these all the same.
  const silent = /Error while evaluating|Skipping unsupported platform/.test(log);
  const artifacts: Record<string, string[]> = {};
  for (const name of existsSync(artifactFolder) ? readdirSync(artifactFolder).toSorted() : []) {
    artifacts[name] = readdirSync(path.join(artifactFolder, name)).toSorted();
  }
  return {
    exitCode: code === 0 && silent ? 1 : code,
    jobs: lines.flatMap(({ jobID, matrix, jobResult }) =>
      jobResult === undefined ? [] : [{ id: jobID ?? '', matrix: matrix ?? {}, result: jobResult }],
    ),
    outputs: outputsOf(lines),
    summaries: lines.flatMap((line) => (line.command === 'summary' ? [line.content ?? ''] : [])),
    annotations: lines.flatMap(({ command, arg, kvPairs }) =>
      command === 'error' || command === 'warning' || command === 'notice'
        ? [{ level: command, message: arg ?? '', file: kvPairs?.file, line: kvPairs?.line }]
        : [],
    ),
    artifacts,
    artifactFolder,
    log,
    dispose: () => rmSync(work, { recursive: true, force: true }),
  };
}

function outputsOf(lines: readonly Line[]): ActRun['outputs'] {
  const outputs: ActRun['outputs'] = {};
  for (const { command, stepID, name, arg } of lines) {
    if (command === 'set-output' && name !== undefined) (outputs[stepID?.at(-1) ?? ''] ??= {})[name] = arg ?? '';
  }
  return outputs;
}

function readLine(line: string): Line {
  try {
    return JSON.parse(line) as Line;
  } catch {
    return { msg: line };
  }
}

/** `owner/name@commit=folder` for every action of GitHub's own that the workflows pin; checkout is act's own. */
function pinnedStandIns(bed: WorkflowTestBed): string[] {
  const file = path.resolve(import.meta.dirname, '../../workflows/pins.yaml');
  const pins = parse(readFileSync(file, 'utf8')) as Record<string, { commit: string }>;
  return Object.entries(bed.standIns).map(([action, folder]) => `${action}@${pins[action]!.commit}=${folder}`);
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
