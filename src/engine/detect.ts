import { constants } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { Failure } from '../failure.ts';
import { BuildxEngine } from './buildx.ts';
import { ClassicEngine } from './classic.ts';
import { lastLines, runDocker, type DockerClient } from './docker-client.ts';
import { builderElsewhere, daemonElsewhere } from './elsewhere.ts';
import type { Engine } from './engine.ts';

export interface DetectOptions {
  /** A buildx builder by name; the client's own choice where absent. */
  builder?: string;
  /** The environment to look for clients in and to give them; the process's own where absent. */
  env?: NodeJS.ProcessEnv;
  signal?: AbortSignal;
}

/** What a daemon says of itself. */
export interface DaemonFacts {
  version: string;
  store: 'classic' | 'containerd';
  os: string;
  architecture: string;
  dataRoot: string;
}

/** What a buildx builder says of itself. */
export interface BuilderFacts {
  name: string;
  driver: string;
  /** Of buildx itself. */
  buildx: string;
  /** Of BuildKit; undefined where it does not know. */
  buildkit: string | undefined;
}

const installHint =
  'install Docker with buildx: on Debian and Ubuntu `apt-get install docker.io` and, where it is packaged, docker-buildx';

/** Every docker client on PATH, then the one of the distribution, each once. */
export async function findClients(env: NodeJS.ProcessEnv): Promise<string[]> {
  const folders = [...(env['PATH'] ?? '').split(delimiter), '/usr/bin'].filter((folder) => folder !== '');
  const found = new Map<string, string>();
  for (const folder of folders) {
    const path = join(folder, 'docker');
    const real = await programAt(path).catch(() => undefined);
    if (real !== undefined && !found.has(real)) found.set(real, path);
  }
  return [...found.values()];
}

/** The file that is run; a folder may have its name and be open to this user. */
async function programAt(path: string): Promise<string | undefined> {
  await access(path, constants.X_OK);
  return (await stat(path)).isFile() ? realpath(path) : undefined;
}

async function clientVersion(client: DockerClient, signal: AbortSignal | undefined): Promise<string> {
  const options = signal === undefined ? {} : { signal };
  const { stdout } = await runDocker(client, ['version', '--format', '{{.Client.Version}}'], options);
  return stdout.toString('utf8').trim();
}

/** Throws a Failure that says why no daemon answers and what to do. */
export async function daemonFacts(client: DockerClient, signal?: AbortSignal): Promise<DaemonFacts> {
  const { exitCode, stdout, stderr } = await runDocker(
    client,
    ['info', '--format', '{{json .}}'],
    signal === undefined ? {} : { signal },
  );
  const info = parseInfo(stdout.toString('utf8'));
  if (exitCode !== 0 || info?.ServerVersion === undefined || info.ServerVersion === '') {
    throw unreachable([stderr, ...(info?.ServerErrors ?? [])].join('\n'), client.env);
  }
  const status = JSON.stringify(info.DriverStatus ?? []);
  return {
    version: info.ServerVersion,
    store: status.includes('io.containerd.snapshotter') ? 'containerd' : 'classic',
    os: info.OSType ?? 'linux',
    architecture: info.Architecture ?? '',
    dataRoot: info.DockerRootDir ?? '/var/lib/docker',
  };
}

interface Info {
  ServerVersion?: string;
  ServerErrors?: string[];
  DriverStatus?: unknown;
  OSType?: string;
  Architecture?: string;
  DockerRootDir?: string;
}

function parseInfo(text: string): Info | undefined {
  try {
    return JSON.parse(text) as Info;
  } catch {
    return undefined;
  }
}

function unreachable(said: string, env: NodeJS.ProcessEnv): Failure {
  const host = env['DOCKER_HOST'] ?? 'unix:///var/run/docker.sock';
  const doing = `reaching the Docker engine at ${host}`;
  if (/permission denied/i.test(said)) {
    const fix = 'add your user to the group docker (`sudo usermod -aG docker $USER`, then log in again), or use sudo';
    return new Failure({ doing, because: 'this user may not use its socket', fix });
  }
  const because = lastLines(said.replaceAll(/^ERROR: |^errors pretty printing info$/gm, ''), 2) || 'no daemon answers';
  const fix = 'start it (`sudo systemctl start docker`), or set DOCKER_HOST or `docker context use` to one that runs';
  return new Failure({ doing, because, fix });
}

/** Undefined where the client has no buildx. Throws a Failure when the named builder does not answer. */
async function builderFacts(
  client: DockerClient,
  builder?: string,
  signal?: AbortSignal,
): Promise<BuilderFacts | undefined> {
  const options = signal === undefined ? {} : { signal };
  const named = builder === undefined ? [] : [builder];
  const [version, { exitCode, stdout, stderr }] = await Promise.all([
    runDocker(client, ['buildx', 'version'], options),
    // A builder that is there and does not run yet is started by the question.
    runDocker(client, ['buildx', 'inspect', '--bootstrap', ...named], options),
  ]);
  const buildx = /\s(v?\d+\.\d+\.\d+\S*)/.exec(version.exitCode === 0 ? version.stdout.toString('utf8') : '');
  if (!buildx) return undefined;
  const text = stdout.toString('utf8');
  const field = (name: RegExp) => new RegExp(`^${name.source}:\\s*(.+)$`, 'm').exec(text)?.[1]?.trim();
  const driver = field(/Driver/);
  const trouble = field(/Error/);
  if (exitCode !== 0 || driver === undefined || trouble !== undefined) {
    const unknown = builder !== undefined && /no builder .* found/.test(stderr);
    throw new Failure({
      ...(unknown ? { kind: 'input' } : {}),
      doing: `asking the builder ${builder ?? 'that buildx uses by default'}`,
      because: lastLines(trouble ?? stderr, 3) || 'it does not answer',
      fix: '`docker buildx ls` lists the builders; `docker buildx create` makes one',
    });
  }
  const buildkit = field(/(?:BuildKit version|BuildKit|Buildkit)/);
  return {
    name: field(/Name/) ?? builder ?? 'default',
    driver,
    buildx: buildx[1]!.replace(/^v/, ''),
    // Distributions build it without a version.
    buildkit: buildkit === undefined || /^v?0\.0\.0/.test(buildkit) ? undefined : buildkit.replace(/^v/, ''),
  };
}

function atLeast(version: string | undefined, major: number, minor: number): boolean | undefined {
  const match = /^(\d+)\.(\d+)/.exec(version ?? '');
  if (!match) return undefined;
  const [have, haveMinor] = [Number(match[1]), Number(match[2])];
  return have > major || (have === major && haveMinor >= minor);
}

/** Since 23 the client leaves BuildKit to buildx; before that `docker build` speaks to the daemon's by itself. */
function buildsAlone(version: string): boolean {
  return atLeast(version, 23, 0) === false;
}

/**
 * Asks the machine what there is. Client and daemon are a pair: of several clients on PATH the first that can build is
 * taken. Throws a Failure that says what to install or start.
 */
export async function detectEngine(options: DetectOptions = {}): Promise<Engine> {
  const { builder, env = process.env, signal } = options;
  const clients = (await findClients(env)).map((program): DockerClient => ({ program, env }));
  if (clients.length === 0) {
    const because = 'there is no docker client on PATH';
    throw new Failure({ doing: 'looking for an engine to build with', because, fix: installHint });
  }
  const [first, ...others] = clients;
  // The daemon's answer says more than the builder's, where both fail.
  const [answer, ofFirst] = await Promise.allSettled([
    daemonFacts(first!, signal),
    builderFacts(first!, builder, signal),
  ]);
  const daemon = answer.status === 'fulfilled' ? answer.value : undefined;
  // A remote builder works without a daemon on this machine.
  if (answer.status === 'rejected' && (builder === undefined || !(answer.reason instanceof Failure))) {
    throw answer.reason;
  }
  if (ofFirst.status === 'rejected') throw ofFirst.reason;
  if (ofFirst.value) return withBuildx(first!, ofFirst.value, daemon, builder);
  for (const client of others) {
    const facts = await builderFacts(client, builder, signal);
    if (facts) return withBuildx(client, facts, daemon, builder);
  }
  if (builder !== undefined) {
    const because = 'no docker client on PATH has buildx';
    throw new Failure({ doing: `using the builder ${builder}`, because, fix: 'install docker-buildx', kind: 'input' });
  }
  for (const client of clients) {
    const version = await clientVersion(client, signal);
    if (daemon?.store === 'classic' && buildsAlone(version)) {
      return new ClassicEngine(client, `docker ${daemon.version} (without buildx)`);
    }
  }
  throw new Failure({
    doing: 'looking for an engine to build with',
    because: `the docker client ${clients[0]!.program} ${await clientVersion(clients[0]!, signal)} builds by buildx only, which is missing`,
    fix: "install docker-buildx (Debian, Ubuntu) or docker-buildx-plugin (Docker's own packages)",
  });
}

function withBuildx(
  client: DockerClient,
  facts: BuilderFacts,
  daemon: DaemonFacts | undefined,
  builder?: string,
): Engine {
  const { driver, buildx, buildkit } = facts;
  if (driver === 'docker' && daemon?.store === 'classic') {
    return new ClassicEngine(client, `docker ${daemon.version}, buildx ${buildx} (Docker's own image store)`);
  }
  const known = driver === 'docker' ? atLeast(daemon?.version, 26, 0) : atLeast(buildkit, 0, 13);
  const engine = driver === 'docker' ? `docker ${daemon?.version}` : `BuildKit ${buildkit ?? 'of unknown version'}`;
  const where = driver === 'docker' ? "containerd's image store" : `builder ${facts.name}, driver ${driver}`;
  return new BuildxEngine(client, {
    name: `${engine}, buildx ${buildx} (${where})`,
    ...(builder === undefined ? {} : { builder }),
    // The docker driver pushes under a tag only.
    push: driver !== 'docker',
    rewriteTimestamp: known ?? true,
    rawProgress: atLeast(buildx, 0, 13) ?? true,
    daemon: daemon?.store,
    elsewhere: () => (driver === 'docker' ? daemonElsewhere(client) : builderElsewhere(client, driver, builder)),
  });
}
