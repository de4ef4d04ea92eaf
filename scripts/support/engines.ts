import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../../src/failure.ts';
import { run, runChecked } from '../../src/process/run.ts';
import { distribution, extractPackages, findProgram, installPackages, isInstalled } from './apt.ts';
import { startDaemon, type Daemon } from './daemon.ts';
import { makeNetwork } from './engine-network.ts';

/** Which image store a daemon keeps: Docker's own, or containerd's (the default from Docker 29 on). */
export type ImageStore = 'classic' | 'containerd';

export interface RunningEngine {
  kind: ImageStore;
  /** Of the daemon. */
  version: string;
  /** Undefined where there is no buildx. */
  buildx: string | undefined;
  /** The whole environment of a client: DOCKER_HOST, DOCKER_CONFIG, and a PATH with the right client first. */
  env: Record<string, string>;
  socket: string;
  dataRoot: string;
  stop(): Promise<void>;
}

export interface EngineOptions {
  /** Folder that keeps what is downloaded; `.tools` of the checkout. */
  tools?: string;
  /** The daemon's data root, kept on stop; a temporary one, removed on stop, where absent. */
  dataRoot?: string;
  store?: ImageStore;
  /** Whether the daemons outlive this process. */
  keep?: boolean;
  note?: (text: string) => void;
}

/** An engine that this system's packages cannot give. Tests skip with `because`; the demo says it. */
export class EngineUnavailable extends Failure {}

export const toolsFolder = resolve(import.meta.dirname, '../../.tools');

/**
 * The distribution's own docker.io: Docker 20.10 without buildx on Debian 12. Where it is not installed it is unpacked in the
 * tools folder: installing it would start its daemon, now and at every boot, and may displace another Docker.
 */
export async function debianEngine(options: EngineOptions = {}): Promise<RunningEngine> {
  const note = options.note ?? (() => {});
  await requireRoot();
  const plugins = ['/usr/libexec/docker/cli-plugins', '/usr/lib/docker/cli-plugins'];
  const store = options.store ?? 'classic';
  if (await isInstalled('docker.io')) {
    await installPackages(['iptables', 'iproute2'], note);
    return start(options, { store, folders: ['/usr/sbin', '/usr/bin'], plugins });
  }
  await installPackages(['iptables', 'iproute2', 'libdevmapper1.02.1'], note);
  const { codename } = await distribution();
  const cache = join(options.tools ?? toolsFolder, 'engines');
  const packages = ['docker.io', 'containerd', 'runc'];
  const root = await extractPackages({ cache, name: 'docker.io', suites: [codename], packages }, note);
  return start(options, {
    store,
    folders: [join(root, 'usr/sbin'), join(root, 'usr/bin')],
    plugins: plugins.map((folder) => join(root, folder)),
  });
}

/** A current Docker with buildx and containerd's image store; its files lie in the tools folder, nothing is installed. */
export async function currentEngine(options: EngineOptions = {}): Promise<RunningEngine> {
  const note = options.note ?? (() => {});
  await requireRoot();
  const { id, codename, pretty } = await distribution();
  if (id !== 'debian' && id !== 'ubuntu') {
    throw new EngineUnavailable({
      doing: 'getting a current Docker',
      because: `${pretty} is neither Debian nor Ubuntu`,
      fix: 'install Docker with buildx, and start imgbuild with that',
    });
  }
  // The container runtime, iptables and libraries are the machine's own: sid's want a newer C library.
  const runtime = findProgram('runc') === undefined ? ['runc'] : [];
  await installPackages([...runtime, 'iptables', 'iproute2', 'libseccomp2', 'libsystemd0'], note);
  const suites = id === 'debian' ? ['sid'] : [codename, `${codename}-updates`];
  const clientPackages = id === 'debian' ? ['docker-cli'] : [];
  const packages = ['docker.io', ...clientPackages, 'docker-buildx', 'containerd'];
  const cache = join(options.tools ?? toolsFolder, 'engines');
  let root;
  try {
    root = await extractPackages({ cache, name: 'docker', suites, packages }, note);
  } catch (cause) {
    throw new EngineUnavailable({
      doing: 'getting a current Docker',
      because: `the package mirror of ${pretty} does not give ${packages.join(', ')}: ${(cause as Error).message}`,
      fix: 'see the cause above; the other engine works without it',
      cause,
    });
  }
  return start(options, {
    store: options.store ?? 'containerd',
    folders: [join(root, 'usr/sbin'), join(root, 'usr/bin')],
    plugins: ['usr/libexec/docker/cli-plugins', 'usr/lib/docker/cli-plugins'].map((folder) => join(root, folder)),
  });
}

async function requireRoot(): Promise<void> {
  if (process.getuid?.() === 0) return;
  throw new EngineUnavailable({
    doing: 'starting a Docker engine',
    because: 'that needs root',
    fix: 'run it as root, for example with sudo',
  });
}

interface Programs {
  store: ImageStore;
  /** Folders with dockerd, containerd and docker. */
  folders: string[];
  /** Folders that may hold docker-buildx. */
  plugins: string[];
}

const stateFolder = (index: number) => join(tmpdir(), `imgbuild-engine-${index}`);

/** Ends what a killed process left behind. False while its owner lives. */
async function reclaim(index: number): Promise<boolean> {
  const state = stateFolder(index);
  const owner = await readFile(join(state, 'owner'), 'utf8').catch(() => undefined);
  if (owner === undefined) return false;
  const [pid, started] = owner.split(' ');
  if ((await startTime(Number(pid))) === started) return false;
  // Of two processes that see this at once, one moves the file.
  const claimed = await rename(join(state, 'owner'), join(state, 'owner.gone')).then(
    () => true,
    () => false,
  );
  if (!claimed) return false;
  for (const name of ['docker.pid', 'containerd.pid']) {
    const daemon = Number(await readFile(join(state, name), 'utf8').catch(() => ''));
    const command = daemon > 0 ? await readFile(`/proc/${daemon}/cmdline`, 'utf8').catch(() => '') : '';
    if (!command.includes(state)) continue;
    process.kill(daemon, 'SIGTERM');
    for (let waited = 0; waited < 100 && existsSync(`/proc/${daemon}`); waited++) await sleep(100);
  }
  await removeState(state);
  return true;
}

/** In clock ticks since boot: with the pid it names a process for good. */
async function startTime(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}

async function removeState(state: string): Promise<void> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n').map((line) => line.split(' ')[1] ?? '');
  for (const mount of mounts.filter((path) => path.startsWith(`${state}/`)).toReversed()) {
    await run('umount', ['--lazy', mount]);
  }
  await rm(state, { recursive: true, force: true });
}

async function start(options: EngineOptions, programs: Programs): Promise<RunningEngine> {
  const network = await makeNetwork(reclaim);
  const state = stateFolder(network.index);
  const daemons: Daemon[] = [];
  const stop = async () => {
    for (const daemon of daemons.toReversed()) await daemon.stop();
    await network.remove();
    await removeState(state);
  };
  try {
    await rm(state, { recursive: true, force: true });
    await mkdir(state, { recursive: true, mode: 0o700 });
    const owner = options.keep ? 1 : process.pid;
    await writeFile(join(state, 'owner'), `${owner} ${await startTime(owner)}`);
    const env = await clientEnvironment(state, programs);
    const dataRoot = options.dataRoot ?? join(state, 'data');
    const daemonEnv = { ...process.env, PATH: [...programs.folders, env['PATH']].join(':') };
    const find = (name: string) =>
      programs.folders.map((folder) => join(folder, name)).find((file) => existsSync(file)) ?? name;

    const address = join(state, 'containerd.sock');
    const containerdConfig = join(state, 'containerd.toml');
    await writeFile(
      containerdConfig,
      [
        'version = 2',
        `root = "${dataRoot}/containerd"`,
        `state = "${state}/containerd"`,
        'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt", "io.containerd.nri.v1.nri"]',
        `[grpc]`,
        `  address = "${address}"`,
        '[debug]',
        '  level = "warn"',
        '',
      ].join('\n'),
    );
    const log = { env: daemonEnv, keep: options.keep ?? false };
    const containerd = startDaemon(find('containerd'), ['--config', containerdConfig], {
      ...log,
      log: join(state, 'containerd.log'),
    });
    daemons.push(containerd);
    await writeFile(join(state, 'containerd.pid'), String(containerd.pid));
    await waitFor(() => Promise.resolve(existsSync(address)), containerd, 'containerd');

    const socket = join(state, 'docker.sock');
    await writeFile(
      join(state, 'daemon.json'),
      JSON.stringify({
        'data-root': dataRoot,
        'exec-root': join(state, 'exec'),
        pidfile: join(state, 'docker.pid'),
        hosts: [`unix://${socket}`],
        containerd: address,
        bridge: network.bridge,
        mtu: network.mtu,
        // The rules of another daemon on this machine would be rewritten; the network has its own.
        iptables: false,
        ip6tables: false,
        features: { 'containerd-snapshotter': programs.store === 'containerd' },
        'log-level': 'warn',
      }),
    );
    const dockerd = startDaemon(find('dockerd'), ['--config-file', join(state, 'daemon.json')], {
      ...log,
      log: join(state, 'dockerd.log'),
    });
    daemons.push(dockerd);
    const client = join(state, 'bin/docker');
    let version = '';
    await waitFor(
      async () => {
        const answer = await run(client, ['version', '--format', '{{.Server.Version}}'], { env });
        version = answer.stdout.toString().trim();
        return answer.exitCode === 0;
      },
      dockerd,
      'dockerd',
    );
    const buildx = await run(client, ['buildx', 'version'], { env });
    const found = /v?(\d+\.\d+\.\d+\S*)/.exec(buildx.exitCode === 0 ? buildx.stdout.toString() : '');
    return { kind: programs.store, version, buildx: found?.[1], env, socket, dataRoot, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The client of the daemon's own package, first on PATH, with a configuration folder that holds its plugins only. */
async function clientEnvironment(state: string, programs: Programs): Promise<Record<string, string>> {
  const bin = join(state, 'bin');
  const plugins = join(state, 'config/cli-plugins');
  await mkdir(bin, { recursive: true });
  await mkdir(plugins, { recursive: true });
  const client = programs.folders.map((folder) => join(folder, 'docker')).find((file) => existsSync(file));
  if (client === undefined) {
    throw new EngineUnavailable({
      doing: 'starting a Docker engine',
      because: `there is no docker client in ${programs.folders.join(' or ')}`,
      fix: 'install docker.io',
    });
  }
  await symlink(client, join(bin, 'docker'));
  const buildx = programs.plugins.map((folder) => join(folder, 'docker-buildx')).find((file) => existsSync(file));
  if (buildx !== undefined) await symlink(buildx, join(plugins, 'docker-buildx'));
  const inherited = Object.entries(process.env).filter(([name]) => !/^(DOCKER|BUILDX|BUILDKIT)_/.test(name));
  return {
    ...(Object.fromEntries(inherited) as Record<string, string>),
    PATH: [bin, process.env['PATH'] ?? '/usr/bin:/bin', '/usr/sbin:/sbin'].join(':'),
    DOCKER_HOST: `unix://${join(state, 'docker.sock')}`,
    DOCKER_CONFIG: dirname(plugins),
  };
}

/** At most 60 seconds; fails at once when the daemon ends. */
async function waitFor(ready: () => Promise<boolean>, daemon: Daemon, name: string): Promise<void> {
  for (let waited = 0; waited < 600; waited++) {
    if (!daemon.running()) break;
    if (await ready()) return;
    await sleep(100);
  }
  throw new Failure({
    doing: `starting ${name}`,
    because: daemon.running() ? 'it did not answer within a minute' : `it ended: ${daemon.lastLines()}`,
    fix: 'see its last lines above; a container needs to be privileged to run an engine',
  });
}

/** `docker import` of a root file system's tar, which makes an image of one filesystem layer. */
export async function importBase(engine: RunningEngine, rootfsTar: string, reference: string): Promise<void> {
  const docker = findProgram('docker', engine.env['PATH']) ?? 'docker';
  await runChecked(docker, ['import', '--change', 'CMD ["/bin/sh"]', rootfsTar, reference], { env: engine.env });
}
