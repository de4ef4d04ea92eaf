import { existsSync } from 'node:fs';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { SecretSource } from '../config/config.ts';
import { flagValues, type Instruction } from '../dockerfile/instruction.ts';
import { mountId, parseMount } from '../dockerfile/mount.ts';
import type { Input } from '../plan/input.ts';
import { run } from '../process/run.ts';

/**
 * What a machine lends to a build so that a proxy of its own, its certificates and its mirrors work there. Each is a
 * secret: in no fingerprint, no history and no filesystem layer. docs/engines.md documents the ids.
 */
export const lentSecrets = ['ca', 'pipconf', 'aptsources', 'aptconf', 'npmrc'] as const;

type Lent = (typeof lentSecrets)[number];

/** The ids and targets of the secrets that a RUN mounts. */
function secretsOf(instruction: Instruction): Map<string, string> {
  if (instruction.operands.form === 'trigger') return secretsOf(instruction.operands.instruction);
  const mounts = flagValues(instruction, 'mount').flatMap((text) => {
    try {
      return [parseMount(text, (value) => value)];
    } catch {
      return [];
    }
  });
  const secrets = mounts
    .filter(({ type }) => type === 'secret')
    .map((mount) => [mountId(mount), mount.target] as const);
  return new Map(secrets.map(([id, target]) => [id, target === '' ? `/run/secrets/${id}` : target]));
}

/** Where the certificates lie beside the pip settings: in each RUN that mounts those, since one file serves them all. */
function caBesidePip(instructions: readonly Instruction[]): string | undefined {
  const runs = instructions.map(secretsOf).filter((secrets) => secrets.has('pipconf'));
  const targets = new Set(runs.map((secrets) => secrets.get('ca')));
  return targets.size === 1 ? [...targets][0] : undefined;
}

/**
 * The secrets that the Dockerfile's mounts name, that the configuration does not give, and that this machine has.
 * Files that must be made for it are written into `folder`, readable by this user alone.
 */
export async function lendSecrets(
  { inputs, instructions }: { inputs: readonly Input[]; instructions: readonly Instruction[] },
  given: readonly SecretSource[],
  env: NodeJS.ProcessEnv,
  folder: string,
): Promise<SecretSource[]> {
  const mounted = inputs.flatMap((input) => (input.kind === 'mount' && input.type === 'secret' ? [input.id] : []));
  const hasCa = given.some(({ id }) => id === 'ca') || caFile(env) !== undefined;
  const caTarget = hasCa ? caBesidePip(instructions) : undefined;
  const lent: SecretSource[] = [];
  for (const id of new Set(mounted)) {
    if (!isLent(id) || given.some((secret) => secret.id === id)) continue;
    const path = await fileFor(id, env, folder, caTarget);
    if (path !== undefined) lent.push({ id, from: 'file', path });
  }
  return lent;
}

function isLent(id: string): id is Lent {
  return (lentSecrets as readonly string[]).includes(id);
}

async function fileFor(
  id: Lent,
  env: NodeJS.ProcessEnv,
  folder: string,
  caTarget: string | undefined,
): Promise<string | undefined> {
  const write = async (text: string | undefined): Promise<string | undefined> => {
    if (text === undefined || text.trim() === '') return undefined;
    const path = join(folder, id);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  };
  switch (id) {
    case 'ca':
      return caFile(env);
    case 'pipconf':
      return write(pipConf(await pipFiles(env), env, caTarget));
    case 'aptsources':
      return write(await aptSources());
    case 'aptconf':
      return write(await aptProxies());
    case 'npmrc': {
      const path = env['NPM_CONFIG_USERCONFIG'] ?? join(homedir(), '.npmrc');
      return existsSync(path) ? path : undefined;
    }
  }
}

/** The bundle with the certificates that this machine trusts: as its programs are told, else the distribution's. */
function caFile(env: NodeJS.ProcessEnv): string | undefined {
  const named = ['SSL_CERT_FILE', 'NODE_EXTRA_CA_CERTS', 'CURL_CA_BUNDLE', 'REQUESTS_CA_BUNDLE'].map(
    (name) => env[name],
  );
  const usual = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt', '/etc/ssl/cert.pem'];
  return [...named, ...usual].find((path) => path !== undefined && path !== '' && existsSync(path));
}

async function pipFiles(env: NodeJS.ProcessEnv): Promise<string[]> {
  const config = env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config');
  // In the order in which pip reads them: later ones win.
  const paths = [
    '/etc/pip.conf',
    join(homedir(), '.pip/pip.conf'),
    join(config, 'pip/pip.conf'),
    env['PIP_CONFIG_FILE'],
  ];
  const texts = await Promise.all(paths.map((path) => (path ? readFile(path, 'utf8').catch(() => '') : '')));
  return texts.filter((text) => text !== '');
}

const pipKeys = ['index-url', 'extra-index-url', 'trusted-host', 'proxy', 'timeout', 'retries'];

/** Only what decides where packages come from: other keys of this machine mean nothing in an image. */
export function pipConf(files: readonly string[], env: NodeJS.ProcessEnv, caTarget: string | undefined): string {
  const values = new Map<string, string>();
  for (const text of files) {
    let section = '';
    let key: string | undefined;
    for (const line of text.split('\n')) {
      const head = /^\[([^\]]+)\]/.exec(line);
      const pair = /^([A-Za-z][\w-]*)\s*[=:]\s*(.*)$/.exec(line);
      if (head) [section, key] = [head[1]!, undefined];
      else if (pair) {
        key = section === 'global' || section === 'install' ? pair[1]!.toLowerCase().replaceAll('_', '-') : undefined;
        if (key !== undefined) values.set(key, pair[2]!.trim());
      } else if (key !== undefined && /^\s+[^\s#;]/.test(line)) {
        values.set(key, `${values.get(key)}\n    ${line.trim()}`);
      }
    }
  }
  for (const key of pipKeys) {
    const value = env[`PIP_${key.toUpperCase().replaceAll('-', '_')}`];
    if (value) values.set(key, value);
  }
  const lines = pipKeys.flatMap((key) => (values.has(key) ? [`${key} = ${values.get(key)}`] : []));
  // Its own bundle does not know the certificates of a proxy on the way.
  if (caTarget !== undefined) lines.push(`cert = ${caTarget}`);
  return lines.length === 0 ? '' : `[global]\n${lines.join('\n')}\n`;
}

/** In the one-line or the deb822 form, as the machine has them; a mount's target decides by its suffix. */
async function aptSources(): Promise<string | undefined> {
  const main = await readFile('/etc/apt/sources.list', 'utf8').catch(() => '');
  if (/^\s*deb\s/m.test(main)) return main;
  const folder = '/etc/apt/sources.list.d';
  const names = (await readdir(folder).catch(() => [])).filter((name) => /^(debian|ubuntu)\.sources$/.test(name));
  return names[0] === undefined ? undefined : readFile(join(folder, names[0]), 'utf8');
}

async function aptProxies(): Promise<string | undefined> {
  const dump = await run('apt-config', ['dump']).catch(() => undefined);
  const lines = dump?.stdout.toString('utf8').split('\n') ?? [];
  return lines.filter((line) => /^Acquire::https?::Proxy\b.*"\S+"/i.test(line)).join('\n');
}
