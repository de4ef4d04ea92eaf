/** Where the API of a registry answers. */
export interface Endpoint {
  /** As in image references: `ghcr.io`, `docker.io`, `localhost:5000`. */
  registry: string;
  /** What requests go to: Docker Hub's API has a host of its own. */
  host: string;
  /** Whether plain HTTP is tried when nothing speaks TLS there. */
  plainAllowed: boolean;
}

const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/;

/** `insecure`: hosts for which plain HTTP is allowed besides this machine itself. */
export function endpointOf(registry: string, insecure: readonly string[] = insecureHosts()): Endpoint {
  const host = registry === 'docker.io' ? 'registry-1.docker.io' : registry;
  return { registry, host, plainAllowed: loopback.test(host) || insecure.includes(host) };
}

export function isLoopback(host: string): boolean {
  return loopback.test(host);
}

/** IMGBUILD_INSECURE_REGISTRIES: hosts, with ports, separated by commas. */
function insecureHosts(): string[] {
  return (process.env['IMGBUILD_INSECURE_REGISTRIES'] ?? '').split(',').flatMap((host) => host.trim() || []);
}
