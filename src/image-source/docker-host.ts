import { readFileSync } from 'node:fs';
import type { RequestOptions } from 'node:http';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Failure } from '../failure.ts';

/** Where an engine is reached, and how. */
export interface DockerHost {
  /** For messages: `unix:///var/run/docker.sock`. */
  address: string;
  /** Whether by TLS. */
  secure: boolean;
  options: RequestOptions;
}

const defaultSocket = '/var/run/docker.sock';

/**
 * The engine that DOCKER_HOST names, as the docker client reads it: unix://, tcp:// (with DOCKER_TLS_VERIFY). Throws a Failure
 * for another address, and where the files for TLS cannot be read.
 */
export function dockerHost(environment: NodeJS.ProcessEnv): DockerHost {
  const host = environment['DOCKER_HOST'] || `unix://${defaultSocket}`;
  if (host.startsWith('unix://')) {
    return { address: host, secure: false, options: { socketPath: host.slice('unix://'.length) } };
  }
  const match = /^(tcp|http|https):\/\/(\[[^\]]+\]|[^:/]+)(?::([0-9]+))?\/?$/.exec(host);
  if (!match) {
    throw new Failure({
      doing: `reaching Docker at ${host.replace(/\/\/[^@/]*@/, '//…@')}`,
      because: 'only unix:// and tcp:// addresses can be reached',
      fix: 'set DOCKER_HOST to one of these; for ssh, forward the socket: `ssh -L /tmp/docker.sock:/var/run/docker.sock HOST`',
      kind: 'input',
    });
  }
  const secure = match[1] === 'https' || Boolean(environment['DOCKER_TLS_VERIFY']);
  const options: RequestOptions = { host: match[2]!, port: Number(match[3] ?? (secure ? 2376 : 2375)) };
  if (!secure) return { address: host, secure, options };
  const folder = environment['DOCKER_CERT_PATH'] ?? join(homedir(), '.docker');
  const read = (name: string) => {
    try {
      return readFileSync(join(folder, name));
    } catch (error) {
      throw new Failure({
        doing: `reaching Docker at ${host}`,
        because: `its TLS needs ${join(folder, name)}, which cannot be read: ${(error as Error).message}`,
        fix: 'put ca.pem, cert.pem and key.pem there, or set DOCKER_CERT_PATH to the folder that has them',
        kind: 'input',
      });
    }
  };
  return {
    address: host,
    secure,
    options: { ...options, ca: read('ca.pem'), cert: read('cert.pem'), key: read('key.pem') } as RequestOptions,
  };
}
