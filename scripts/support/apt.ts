import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../../src/failure.ts';
import { run, runChecked } from '../../src/process/run.ts';

/** What /etc/os-release says, as far as it decides which packages there are. */
export interface Distribution {
  id: string;
  codename: string;
  pretty: string;
}

export async function distribution(): Promise<Distribution> {
  const fields = new Map<string, string>();
  for (const line of (await readFile('/etc/os-release', 'utf8').catch(() => '')).split('\n')) {
    const match = /^([A-Z_]+)="?([^"]*)"?$/.exec(line);
    if (match) fields.set(match[1]!, match[2]!);
  }
  return {
    id: fields.get('ID') ?? 'unknown',
    codename: fields.get('VERSION_CODENAME') ?? '',
    pretty: fields.get('PRETTY_NAME') ?? 'an unknown system',
  };
}

/** The machine's own package mirror for its own release: nothing else is ever asked. */
export async function machineMirror(codename: string): Promise<string> {
  const format = '$(REPO_URI)|$(RELEASE)|$(COMPONENT)';
  const listing = await runChecked('apt-get', ['indextargets', '--format', format, 'Created-By: Packages']);
  for (const line of listing.split('\n')) {
    const [uri, release, component] = line.split('|');
    if (uri && release === codename && component === 'main') return uri.replace(/\/$/, '');
  }
  throw new Failure({
    doing: 'finding the package mirror of this machine',
    because: `apt's sources name no mirror for ${codename || 'its release'} main`,
    fix: 'add the distribution to /etc/apt/sources.list.d',
  });
}

export async function architecture(): Promise<string> {
  return (await runChecked('dpkg', ['--print-architecture'])).trim();
}

export function findProgram(program: string, path = process.env['PATH'] ?? ''): string | undefined {
  return [...path.split(delimiter), '/usr/sbin', '/sbin', '/usr/bin', '/bin']
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, program))
    .find((file) => existsSync(file));
}

let updated = false;

/** What this run has installed, to be told. */
export const installed: string[] = [];

export async function isInstalled(name: string): Promise<boolean> {
  const { stdout, exitCode } = await run('dpkg-query', ['-W', '-f', '${db:Status-Status}', name]);
  return exitCode === 0 && stdout.toString() === 'installed';
}

/**
 * Installs packages of the machine's own release with apt-get; nothing is done for those that are there. No service that
 * comes with them is started: what needs one starts its own.
 */
export async function installPackages(packages: readonly string[], note: (text: string) => void): Promise<void> {
  const missing: string[] = [];
  for (const name of packages) {
    if (!(await isInstalled(name))) missing.push(name);
  }
  if (missing.length === 0) return;
  note(`installing ${missing.join(', ')} with apt-get`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', SYSTEMD_OFFLINE: '1' };
  // Nothing of the machine's own may go for it: a docker-ce, say.
  const install = ['-o', 'DPkg::Lock::Timeout=300', 'install', '-y', '-q', '--no-remove', '--no-install-recommends'];
  install.push(...missing);
  if (!updated) {
    await updateLists(env);
    updated = true;
  }
  // In images for Docker every `apt-get update`, also that of another process, removes what lies in the machine's own cache.
  const archives = await mkdtemp(join(tmpdir(), 'imgbuild-apt-'));
  try {
    await mkdir(join(archives, 'partial'));
    await runChecked('apt-get', ['-o', `Dir::Cache::archives=${archives}`, ...install], { env });
  } finally {
    await rm(archives, { recursive: true, force: true });
  }
  installed.push(...missing);
}

/** apt waits for the lock of its packages, but not for that of its lists: another process may be at them. */
async function updateLists(env: NodeJS.ProcessEnv): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    const { exitCode, stderr } = await run('apt-get', ['-o', 'DPkg::Lock::Timeout=300', 'update', '-q'], { env });
    if (exitCode === 0) return;
    if (attempt === 150 || !/lists\/lock/.test(stderr)) {
      const fix = 'mend what apt-get says, and run it again';
      throw new Failure({ doing: 'running apt-get update', because: stderr.trim(), fix });
    }
    await sleep(2000);
  }
}

/**
 * Extracts packages of any suite of the machine's own mirror below `<cache>/<name>-<hash>/root`, by an apt
 * configuration of its own: neither the machine's lists nor its packages change. Cached; safe when several processes
 * ask at once. Returns that root.
 */
export async function extractPackages(
  request: { cache: string; name: string; suites: readonly string[]; packages: readonly string[] },
  note: (text: string) => void,
): Promise<string> {
  const { codename, id } = await distribution();
  const arch = await architecture();
  const mirror = await machineMirror(codename);
  const components = id === 'ubuntu' ? 'main universe' : 'main';
  const key = createHash('sha256').update(JSON.stringify([mirror, arch, request.suites, request.packages, components]));
  const folder = join(request.cache, `${request.name}-${key.digest('hex').slice(0, 12)}`);
  const root = join(folder, 'root');
  if (existsSync(folder)) return root;

  note(`fetching ${request.packages.join(', ')} of ${request.suites.join(', ')}`);
  await mkdir(request.cache, { recursive: true });
  const work = await mkdtemp(join(request.cache, '.making-'));
  try {
    for (const part of ['lists/partial', 'cache/archives/partial', 'debs', 'root']) {
      await mkdir(join(work, part), { recursive: true });
    }
    const keyring = `/usr/share/keyrings/${id === 'ubuntu' ? 'ubuntu' : 'debian'}-archive-keyring.gpg`;
    const signed = existsSync(keyring) ? `[arch=${arch} signed-by=${keyring}]` : `[arch=${arch}]`;
    const sources = request.suites.map((suite) => `deb ${signed} ${mirror} ${suite} ${components}`).join('\n');
    await writeFile(join(work, 'sources.list'), `${sources}\n`);
    await writeFile(join(work, 'status'), '');
    const options = Object.entries({
      'Dir::Etc::sourcelist': join(work, 'sources.list'),
      'Dir::Etc::sourceparts': '/dev/null',
      'Dir::Etc::preferences': '/dev/null',
      'Dir::Etc::preferencesparts': '/dev/null',
      'Dir::State::lists': join(work, 'lists'),
      'Dir::State::status': join(work, 'status'),
      'Dir::Cache': join(work, 'cache'),
      'APT::Sandbox::User': 'root',
      'Acquire::Languages': 'none',
      'Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled': 'false',
    }).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
    // What images for Docker do after an update: it would remove what an apt of the machine is just installing.
    await writeFile(join(work, 'apt.conf'), '#clear APT::Update::Post-Invoke;\n');
    options.push('-c', join(work, 'apt.conf'));
    await runChecked('apt-get', [...options, 'update', '-q']);
    await runChecked('apt-get', [...options, 'download', '-q', ...request.packages], { cwd: join(work, 'debs') });
    for (const deb of await readdir(join(work, 'debs'))) {
      await runChecked('dpkg-deb', ['-x', join(work, 'debs', deb), join(work, 'root')]);
    }
    for (const part of ['lists', 'cache', 'debs']) await rm(join(work, part), { recursive: true });
    await rename(work, folder).catch((error: NodeJS.ErrnoException) => {
      // Another process was faster: its result is as good as ours.
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return root;
}
