import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Config, Layer, SecretSource } from '../config/config.ts';
import { Failure } from '../failure.ts';

/** The layer's own secrets with absolute paths. Throws a Failure when a file or a variable is missing. */
export function layerSecrets(config: Config, layer: Layer, env: NodeJS.ProcessEnv): SecretSource[] {
  const missing = (secret: SecretSource, because: string, fix: string): Failure => {
    const at = config.locate(['layers', layer.name, 'secrets', layer.secrets.indexOf(secret)]);
    return new Failure({ doing: `building ${layer.name}`, because, fix, kind: 'input', at });
  };
  return layer.secrets.map((secret) => {
    if (secret.from === 'env') {
      if (env[secret.name] !== undefined) return secret;
      throw missing(secret, `the variable ${secret.name} of secret ${secret.id} is not set`, `set ${secret.name}`);
    }
    const file = path.resolve(config.root, secret.path);
    if (existsSync(file)) return { ...secret, path: file };
    throw missing(
      secret,
      `the file ${secret.path} of secret ${secret.id} does not exist`,
      'create it, or name another',
    );
  });
}

/**
 * `default`, `id=socket`, `id=key,key` as the builder takes them: paths from the repository's root, `$NAME` from the
 * environment. Throws a Failure where there is no agent, or no such file: builders say little of it.
 */
export function layerAgents(config: Config, layer: Layer, env: NodeJS.ProcessEnv): string[] {
  return layer.ssh.map((agent, index) => {
    const missing = (because: string, fix: string): Failure => {
      const at = config.locate(['layers', layer.name, 'ssh', index]);
      return new Failure({ doing: `building ${layer.name}`, because, fix, kind: 'input', at });
    };
    const [id = '', sources] = agent.split(/=(.*)/s);
    if (sources === undefined) {
      const fix = `start one (\`eval $(ssh-agent)\`, then \`ssh-add\`), or name a socket or key: ssh: ["${id}=PATH"]`;
      const socket = env['SSH_AUTH_SOCK'];
      if (!socket) throw missing(`there is no SSH agent for ssh: ${id}, SSH_AUTH_SOCK is not set`, fix);
      if (existsSync(socket)) return agent;
      throw missing(`there is no SSH agent for ssh: ${id}, SSH_AUTH_SOCK names ${socket}, which is not there`, fix);
    }
    const paths = sources.split(',').map((source) => {
      const name = /^\$\{?(\w+)\}?$/.exec(source)?.[1];
      const written = name === undefined ? source : env[name];
      if (!written) throw missing(`the variable ${name} of ssh: ${agent} is not set`, `set ${name}`);
      const file = path.resolve(config.root, written);
      if (existsSync(file)) return file;
      throw missing(
        `the socket or key ${written} of ssh: ${id} does not exist`,
        'start the agent, or name another path',
      );
    });
    return `${id}=${paths.join(',')}`;
  });
}
