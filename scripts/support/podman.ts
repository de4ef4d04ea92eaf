import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../../src/failure.ts';
import { run } from '../../src/process/run.ts';
import { distribution, findProgram, installPackages } from './apt.ts';
import { startDaemon } from './daemon.ts';
import { EngineUnavailable } from './engines.ts';

export interface RunningPodman {
  version: string;
  /** Of a client: DOCKER_HOST, and a PATH on which `docker` is this podman. */
  env: Record<string, string>;
  stop(): Promise<void>;
}

/**
 * The distribution's podman as a service with Docker's API: installed where it is missing, with a storage, a socket and locks
 * of its own, so that it knows nothing of the machine's.
 */
export async function startPodman(note: (text: string) => void = () => {}): Promise<RunningPodman> {
  await requirePodman(note);
  const state = await mkdtemp(join(tmpdir(), 'imgbuild-podman-'));
  // podman takes no more than 50 characters.
  const runRoot = await mkdtemp('/run/imgbuild-podman-');
  const settings = join(state, 'containers.conf');
  const socket = `unix://${join(state, 'podman.sock')}`;
  for (const folder of ['bin', 'tmp', 'home']) await mkdir(join(state, folder));
  await writeFile(settings, containersConf(state, runRoot));
  const client = join(state, 'bin/docker');
  await writeFile(client, `#!/bin/sh\nexec podman --remote --url ${socket} "$@"\n`);
  await chmod(client, 0o755);
  const env = {
    PATH: [join(state, 'bin'), process.env['PATH'] ?? '', '/usr/sbin', '/usr/bin', '/sbin', '/bin'].join(delimiter),
    HOME: join(state, 'home'),
    TMPDIR: join(state, 'tmp'),
    CONTAINERS_CONF: settings,
    DOCKER_HOST: socket,
  };
  const places = ['--root', join(state, 'storage'), '--runroot', runRoot];
  const log = join(state, 'service.log');
  const service = startDaemon(findProgram('podman')!, [...places, 'system', 'service', '--time', '0', socket], {
    env,
    log,
    keep: false,
  });
  const stop = async () => {
    await service.stop();
    for (const folder of [state, runRoot]) {
      await unmountBelow(folder);
      await rm(folder, { recursive: true, force: true });
    }
  };
  try {
    const version = await waitForVersion(join(state, 'podman.sock'), () => service.running());
    if (version === undefined) {
      throw new Failure({
        doing: 'starting podman',
        because: `it does not answer: ${service.lastLines()}`,
        fix: 'see what it says',
      });
    }
    return { version, env, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function requirePodman(note: (text: string) => void): Promise<void> {
  const { id, pretty } = await distribution();
  const unavailable = (because: string, fix: string) =>
    new EngineUnavailable({ doing: 'starting podman', because, fix });
  if (process.getuid?.() !== 0) throw unavailable('that needs root', 'run it as root, for example with sudo');
  // Debian's crun refuses machines with both kinds of cgroups.
  const missing = ['podman', 'runc'].filter((program) => findProgram(program) === undefined);
  if (missing.length === 0) return;
  if (id !== 'debian' && id !== 'ubuntu') {
    throw unavailable(`${pretty} is neither Debian nor Ubuntu, and has no ${missing.join(', ')}`, 'install it');
  }
  await installPackages(missing, note);
}

/** No systemd, no journal, no locks in memory that all podmans of a machine share, no higher limits than the machine gives. */
function containersConf(state: string, runRoot: string): string {
  return `[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
events_logger = "file"
lock_type = "file"
tmp_dir = "${join(runRoot, 'libpod')}"
image_copy_tmp_dir = "${join(state, 'tmp')}"
[containers]
log_driver = "k8s-file"
netns = "none"
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
`;
}

async function waitForVersion(socketPath: string, running: () => boolean): Promise<string | undefined> {
  for (let attempt = 0; attempt < 300 && running(); attempt++) {
    const answer = await get(socketPath, '/version').catch(() => undefined);
    if (answer !== undefined) return (JSON.parse(answer) as { Version: string }).Version;
    await sleep(100);
  }
  return undefined;
}

function get(socketPath: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, agent: false }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => resolve(Buffer.concat(parts).toString('utf8')));
    });
    asked.on('error', reject);
    asked.end();
  });
}

async function unmountBelow(folder: string): Promise<void> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n').map((line) => line.split(' ')[1] ?? '');
  for (const mount of mounts.filter((path) => path.startsWith(`${folder}/`)).toReversed()) {
    await run('umount', ['--lazy', mount]);
  }
}
