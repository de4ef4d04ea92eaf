import { platformName } from '../oci/platform.ts';
import type { BuildRequest } from './engine.ts';

/** One field of a comma-separated flag, quoted as encoding/csv reads it. */
export function csvField(text: string): string {
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * Predefined by BuildKit (docs.docker.com, "Predefined ARGs"): given by name only, they take the client's environment's
 * values, and stand in no history and no cache key.
 */
const proxyNames = ['HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY', 'ALL_PROXY'].flatMap((name) => [
  name,
  name.toLowerCase(),
]);

/** The flags that docker build and docker buildx build share, without output, Dockerfile, progress and context. */
export function buildArguments(request: BuildRequest, env: NodeJS.ProcessEnv): string[] {
  const flags = ['--platform', platformName(request.platform)];
  if (request.target !== undefined) flags.push('--target', request.target);
  for (const [name, value] of Object.entries(request.args)) flags.push('--build-arg', `${name}=${value}`);
  for (const name of proxyNames) {
    if (env[name] && !(name in request.args)) flags.push('--build-arg', name);
  }
  for (const [name, value] of Object.entries(request.labels)) flags.push('--label', `${name}=${value}`);
  for (const secret of request.secrets) {
    const source = secret.from === 'file' ? `src=${secret.path}` : `env=${secret.name}`;
    flags.push('--secret', [`id=${secret.id}`, source].map(csvField).join(','));
  }
  for (const agent of request.ssh) flags.push('--ssh', agent);
  if (request.noCache) flags.push('--no-cache');
  return flags;
}
