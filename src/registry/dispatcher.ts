import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import { Agent, EnvHttpProxyAgent, type Dispatcher } from 'undici';
import { isLoopback } from './endpoint.ts';

const connectTimeout = 15_000;

let proxied: Dispatcher | undefined;
let direct: Dispatcher | undefined;
let authorities: SecureContext | undefined;

/**
 * The connections of this process to registries: by HTTP_PROXY, HTTPS_PROXY and NO_PROXY, but straight to this machine
 * itself. Certificates are checked against Node's own authorities, NODE_EXTRA_CA_CERTS and the system's, as Docker does.
 */
export function sharedDispatcher(host: string): Dispatcher {
  if (isLoopback(host)) return (direct ??= new Agent({ connect: tlsOptions() }));
  const connect = tlsOptions();
  return (proxied ??= new EnvHttpProxyAgent({ connect, requestTls: connect, proxyTls: connect }));
}

/** Forgets the connections: for tests that change authorities or proxies. */
export async function closeDispatchers(): Promise<void> {
  const open = [direct, proxied];
  direct = undefined;
  proxied = undefined;
  authorities = undefined;
  for (const each of open) await each?.close();
}

/** One context for all connections: to read some hundred certificates takes longer than to connect. */
function tlsOptions(): { secureContext: SecureContext; timeout: number } {
  authorities ??= createSecureContext({
    ca: [...new Set([...getCACertificates('default'), ...getCACertificates('system')])],
  });
  return { secureContext: authorities, timeout: connectTimeout };
}
