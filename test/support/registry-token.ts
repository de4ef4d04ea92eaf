import { createPrivateKey, randomBytes, sign, X509Certificate } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface TokenService {
  realm: string;
  service: string;
  issuer: string;
  close(): Promise<void>;
}

/**
 * A token service as the distribution project describes it: JWTs with the certificate in their header. `user` may pull
 * and push; anybody else with a password, and everybody without, may pull what is below `public/`.
 */
export async function startTokenService(options: {
  /** PEM. */
  key: string;
  certificate: string;
  user: string;
  password: string;
  /** Seconds. */
  lifetime: number;
}): Promise<TokenService> {
  const [service, issuer] = ['imgbuild-test-registry', 'imgbuild-test-tokens'];
  const key = createPrivateKey(options.key);
  const chain = [new X509Certificate(options.certificate).raw.toString('base64')];
  const expected = `Basic ${Buffer.from(`${options.user}:${options.password}`).toString('base64')}`;
  const server = createServer((request, response) => {
    const query = new URL(request.url!, 'http://localhost').searchParams;
    const given = request.headers.authorization;
    if (given !== undefined && given !== expected) {
      response.writeHead(401, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ errors: [{ code: 'UNAUTHORIZED', message: 'wrong password' }] }));
      return;
    }
    const access = query.getAll('scope').flatMap((scope) => {
      const [type, name, actions] = [
        scope.split(':')[0],
        scope.split(':').slice(1, -1).join(':'),
        scope.split(':').at(-1)!,
      ];
      const open = name.startsWith('public/');
      const allowed = actions.split(',').filter((action) => given === expected || (open && action === 'pull'));
      return allowed.length === 0 ? [] : [{ type, name, actions: allowed }];
    });
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: issuer,
      sub: given === undefined ? '' : options.user,
      aud: query.get('service'),
      exp: now + options.lifetime,
      nbf: now - 10,
      iat: now,
      jti: randomBytes(8).toString('hex'),
      access,
    };
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const signed = `${encode({ typ: 'JWT', alg: 'RS256', x5c: chain })}.${encode(claims)}`;
    const token = `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`;
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ token, expires_in: options.lifetime }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    realm: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
    service,
    issuer,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
