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

/** `default`, `id=socket`, `id=key,key`: paths from the repository's root. */
export function layerAgents(config: Config, layer: Layer): string[] {
  return layer.ssh.map((agent) => {
    const equals = agent.indexOf('=');
    if (equals < 0) return agent;
    const paths = agent.slice(equals + 1).split(',');
    return `${agent.slice(0, equals)}=${paths.map((each) => (each.startsWith('$') ? each : path.resolve(config.root, each))).join(',')}`;
  });
}
