import { chmod, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { wrongInput } from './inputs.ts';

export interface Login {
  registry: string;
  username: string;
  password: string;
}

interface DockerConfigFile {
  auths?: Record<string, { auth?: string }>;
  credsStore?: string;
  credHelpers?: Record<string, string>;
  [key: string]: unknown;
}

/** `HOST USER PASSWORD`, a line for each registry. The message never quotes a line: it may hold a password. */
export function parseLogins(lines: readonly string[]): Login[] {
  const logins: Login[] = [];
  for (const [index, line] of lines.entries()) {
    if (line.trim() === '') continue;
    const match = /^\s*(\S+)\s+(\S+)\s+(\S.*?)\s*$/.exec(line);
    if (!match) {
      throw wrongInput('logins', `line ${index + 1} is not HOST USER PASSWORD`, 'write the three with spaces between');
    }
    logins.push({ registry: match[1]!, username: match[2]!, password: match[3]! });
  }
  return logins;
}

/**
 * Makes a folder below `parent` that Docker, buildx and imgbuild read in place of the user's own (DOCKER_CONFIG): the
 * same, and with the logins. Later steps of the job never see them, and removing the folder takes them away. Only its
 * owner can read it.
 *
 * `defaults` are for registries that neither `logins` nor an earlier login of the job knows.
 * The result's `environment` is what programs need to find the folder, and the builders that are set up already.
 */
export async function makeDockerConfig(
  parent: string,
  env: NodeJS.ProcessEnv,
  logins: readonly Login[],
  defaults: readonly Login[],
): Promise<{ folder: string; environment: Record<string, string> }> {
  const former = env.DOCKER_CONFIG ?? join(env.HOME ?? homedir(), '.docker');
  const config = await readConfig(join(former, 'config.json'));
  const folder = await mkdtemp(join(parent, 'imgbuild-docker-'));
  await chmod(folder, 0o700);
  const names = await readdir(former).catch(() => []);
  for (const name of names.filter((one) => one !== 'config.json'))
    await symlink(join(former, name), join(folder, name));

  const known = new Set([...Object.keys(config.auths ?? {}), ...Object.keys(config.credHelpers ?? {})]);
  for (const login of [...defaults.filter(({ registry }) => !known.has(registry)), ...logins]) {
    config.auths = { ...config.auths, [login.registry]: { auth: basic(login) } };
    // A helper would be asked first. An empty name stands for this file, also below a credsStore for all registries.
    if (config.credsStore !== undefined || config.credHelpers?.[login.registry] !== undefined) {
      config.credHelpers = { ...config.credHelpers, [login.registry]: '' };
    }
  }
  await writeFile(join(folder, 'config.json'), JSON.stringify(config), { mode: 0o600 });
  return { folder, environment: { DOCKER_CONFIG: folder, BUILDX_CONFIG: env.BUILDX_CONFIG ?? join(former, 'buildx') } };
}

export async function removeDockerConfig(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
}

async function readConfig(file: string): Promise<DockerConfigFile> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as DockerConfigFile;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw wrongInput('logins', `Docker's own ${file} cannot be read`, 'mend or remove that file');
  }
}

function basic({ username, password }: Login): string {
  return Buffer.from(`${username}:${password}`).toString('base64');
}
