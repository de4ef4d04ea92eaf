import { runDocker, type DockerClient } from './docker-client.ts';

/** Where the daemon behind the client is, when it is on another machine. */
export async function daemonElsewhere(client: DockerClient, context?: string): Promise<string | undefined> {
  const named = context === undefined ? [] : [context];
  const { exitCode, stdout } = await runDocker(client, [
    'context',
    'inspect',
    ...named,
    '--format',
    '{{.Endpoints.docker.Host}}',
  ]);
  return exitCode === 0 ? remoteEndpoint(stdout.toString('utf8').trim()) : undefined;
}

/** Where the steps of a buildx builder run, when that is on another machine. */
export async function builderElsewhere(
  client: DockerClient,
  driver: string,
  builder: string | undefined,
): Promise<string | undefined> {
  if (driver === 'kubernetes' || driver === 'cloud') return `driver ${driver}`;
  const named = builder === undefined ? [] : [builder];
  const { stdout } = await runDocker(client, ['buildx', 'inspect', ...named]);
  const endpoint = /^Endpoint:\s*(\S+)/m.exec(stdout.toString('utf8'))?.[1];
  if (endpoint === undefined) return undefined;
  if (endpoint.includes('://')) return remoteEndpoint(endpoint);
  // The name of a context of the client.
  return daemonElsewhere(client, endpoint);
}

/** `unix:///run/docker.sock` is here, `ssh://build@host` is not; undefined where it is here. */
export function remoteEndpoint(endpoint: string): string | undefined {
  const here =
    /^(?:unix|npipe|fd|docker-container|podman-container):|^(?:tcp|https?):\/\/(?:127\.|localhost[:/]|\[::1\])/;
  return endpoint === '' || here.test(endpoint) ? undefined : endpoint;
}
