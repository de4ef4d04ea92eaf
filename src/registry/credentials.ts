import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Failure } from '../failure.ts';
import { run } from '../process/run.ts';

/** `identity`: a refresh token for the registry's token service (OAuth 2). */
export type Credential = { kind: 'password'; user: string; password: string } | { kind: 'identity'; token: string };

export type CredentialSource = (host: string) => Promise<Credential | undefined>;

interface DockerConfig {
  auths?: Record<string, { auth?: string; username?: string; password?: string; identitytoken?: string } | null>;
  credHelpers?: Record<string, string>;
  credsStore?: string;
}

/**
 * Credentials as `docker login` keeps them: DOCKER_AUTH_CONFIG (the document itself), else config.json in DOCKER_CONFIG
 * or ~/.docker, with its helpers. A helper is asked once a process. Throws a Failure for a file that cannot be read as
 * JSON and for a helper that cannot be run.
 */
export function dockerCredentials(env: NodeJS.ProcessEnv = process.env): CredentialSource {
  const known = new Map<string, Promise<Credential | undefined>>();
  return (host) => {
    let found = known.get(host);
    if (found === undefined) {
      found = look(host, env);
      known.set(host, found);
    }
    return found;
  };
}

async function look(host: string, env: NodeJS.ProcessEnv): Promise<Credential | undefined> {
  const config = await readConfig(env);
  if (config === undefined) return undefined;
  const helper = matching(config.credHelpers, host) ?? config.credsStore;
  if (helper !== undefined && helper !== '') {
    const found = await askHelper(helper, serverName(host), env);
    if (found !== undefined) return found;
  }
  const entry = matching(config.auths, host);
  if (entry === undefined || entry === null) return undefined;
  if (entry.identitytoken) return { kind: 'identity', token: entry.identitytoken };
  if (entry.username !== undefined && entry.password !== undefined) {
    return { kind: 'password', user: entry.username, password: entry.password };
  }
  const pair = Buffer.from(entry.auth ?? '', 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  if (colon <= 0) return undefined;
  // Docker's own writer once padded with NUL bytes.
  return { kind: 'password', user: pair.slice(0, colon), password: pair.slice(colon + 1).replaceAll('\0', '') };
}

async function readConfig(env: NodeJS.ProcessEnv): Promise<DockerConfig | undefined> {
  const inline = env['DOCKER_AUTH_CONFIG'];
  const path = join(env['DOCKER_CONFIG'] || join(env['HOME'] || homedir(), '.docker'), 'config.json');
  const name = inline ? 'DOCKER_AUTH_CONFIG' : path;
  let text: string;
  try {
    text = inline || (await readFile(path, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new Failure({
      doing: `reading logins from ${path}`,
      because: (error as Error).message,
      fix: 'give this user the right to read it, or name another folder by DOCKER_CONFIG',
    });
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // The parser's message would quote the file, secrets and all.
  }
  throw new Failure({
    doing: `reading logins from ${name}`,
    because: 'it is not a JSON object',
    fix: 'mend it, or remove it and use `docker login` again',
  });
}

const hub = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io']);

/** The name under which Docker keeps a host's login. */
function serverName(host: string): string {
  return hub.has(host) ? 'https://index.docker.io/v1/' : host;
}

function matching<T>(entries: Record<string, T> | undefined, host: string): T | undefined {
  if (entries === undefined) return undefined;
  const exact = entries[serverName(host)] ?? entries[host];
  if (exact !== undefined) return exact;
  for (const [key, value] of Object.entries(entries)) {
    const keyHost = key.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
    if (keyHost === host || (hub.has(host) && hub.has(keyHost))) return value;
  }
  return undefined;
}

async function askHelper(helper: string, server: string, env: NodeJS.ProcessEnv): Promise<Credential | undefined> {
  const doing = `asking docker-credential-${helper} for the login of ${server}`;
  if (!/^[A-Za-z0-9._-]+$/.test(helper)) {
    const fix = 'write the helper without its prefix docker-credential-, as in "pass"';
    throw new Failure({ doing, because: 'that is no name of a credential helper', fix });
  }
  const { exitCode, stdout } = await run(`docker-credential-${helper}`, ['get'], { input: `${server}\n`, env });
  const text = stdout.toString('utf8').trim();
  if (exitCode !== 0) {
    // The helpers' protocol: this sentence on standard output says that there is none.
    if (/not found/i.test(text)) return undefined;
    throw new Failure({
      doing,
      because: `it ended with exit code ${exitCode}`,
      fix: `use \`docker login ${server}\` again`,
    });
  }
  try {
    const { Username, Secret } = JSON.parse(text) as { Username?: string; Secret?: string };
    if (!Secret) return undefined;
    if (Username === '<token>') return { kind: 'identity', token: Secret };
    return { kind: 'password', user: Username ?? '', password: Secret };
  } catch {
    throw new Failure({ doing, because: 'its answer is not JSON', fix: `use \`docker login ${server}\` again` });
  }
}
