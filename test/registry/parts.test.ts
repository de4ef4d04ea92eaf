import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseChallenges } from '../../src/registry/challenge.ts';
import { dockerCredentials } from '../../src/registry/credentials.ts';
import { endpointOf } from '../../src/registry/endpoint.ts';
import { errorOf, parseRetryAfter, redacted, registryFailure } from '../../src/registry/error.ts';
import { backoff } from '../../src/registry/retry.ts';
import type { Failure } from '../../src/failure.ts';

describe('challenges', () => {
  it('of real registries', () => {
    expect(
      parseChallenges(
        'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"',
      ),
    ).toEqual([
      {
        scheme: 'bearer',
        parameters: {
          realm: 'https://auth.docker.io/token',
          service: 'registry.docker.io',
          scope: 'repository:a/b:pull,push',
        },
      },
    ]);
    expect(parseChallenges('Basic realm="x \\"y\\""')).toEqual([{ scheme: 'basic', parameters: { realm: 'x "y"' } }]);
  });

  it('several in one header, tokens without quotes, spaces around', () => {
    expect(parseChallenges('Negotiate, Bearer realm = "r" , service=s, Basic realm=b')).toEqual([
      { scheme: 'negotiate', parameters: {} },
      { scheme: 'bearer', parameters: { realm: 'r', service: 's' } },
      { scheme: 'basic', parameters: { realm: 'b' } },
    ]);
    expect(parseChallenges(undefined)).toEqual([]);
    expect(parseChallenges('"')).toEqual([]);
  });
});

describe('logins', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'imgbuild-login-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const source = async (config: object, env: NodeJS.ProcessEnv = {}) => {
    await writeFile(join(folder, 'config.json'), JSON.stringify(config));
    return dockerCredentials({ DOCKER_CONFIG: folder, PATH: process.env['PATH'], ...env });
  };
  const auth = Buffer.from('user:pass:word').toString('base64');
  const login = { kind: 'password', user: 'user', password: 'pass:word' };

  it('of config.json, under the names that docker has used for a host', async () => {
    for (const key of ['ghcr.io', 'https://ghcr.io', 'https://ghcr.io/v2/', 'http://ghcr.io/v1/']) {
      expect(await (await source({ auths: { [key]: { auth } } }))('ghcr.io')).toEqual(login);
    }
    const hub = await source({ auths: { 'https://index.docker.io/v1/': { auth } } });
    expect(await hub('docker.io')).toEqual(login);
    expect(await hub('ghcr.io')).toBeUndefined();
  });

  it('an identity token', async () => {
    const found = await source({ auths: { 'r.example:5000': { auth, identitytoken: 'abc' } } });
    expect(await found('r.example:5000')).toEqual({ kind: 'identity', token: 'abc' });
  });

  it('of a helper, which is given the host and asked once', async () => {
    const bin = join(folder, 'bin');
    await mkdir(bin);
    const helper = join(bin, 'docker-credential-test');
    const script = `#!/bin/sh
read host
echo "$host $1" >> ${folder}/asked
case $host in
  ghcr.io) echo '{"ServerURL":"ghcr.io","Username":"u","Secret":"s"}';;
  token.example) echo '{"Username":"<token>","Secret":"t"}';;
  broken.example) echo 'keychain is locked'; exit 1;;
  *) echo 'credentials not found in native keychain'; exit 1;;
esac
`;
    await writeFile(helper, script);
    await chmod(helper, 0o755);
    const env = { PATH: `${bin}${delimiter}${process.env['PATH']}` };
    const found = await source(
      { credHelpers: { 'ghcr.io': 'test' }, credsStore: 'test', auths: { other: { auth } } },
      env,
    );
    expect(await found('ghcr.io')).toEqual({ kind: 'password', user: 'u', password: 's' });
    expect(await found('ghcr.io')).toEqual({ kind: 'password', user: 'u', password: 's' });
    expect(await found('token.example')).toEqual({ kind: 'identity', token: 't' });
    expect(await found('other')).toEqual(login);
    await expect(found('broken.example')).rejects.toThrow(/exit code 1/);
    const { readFile } = await import('node:fs/promises');
    const asked = (await readFile(join(folder, 'asked'), 'utf8')).trim().split('\n');
    expect(asked.filter((line) => line === 'ghcr.io get')).toHaveLength(1);
  });

  it('a helper that is not there, or is no name', async () => {
    await expect((await source({ credsStore: 'nowhere' }))('a.example')).rejects.toThrow(/no such program/);
    await expect((await source({ credsStore: '../x' }))('a.example')).rejects.toThrow(/no name of a credential helper/);
  });

  it('of the environment, and none at all', async () => {
    const inline = dockerCredentials({ DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { 'ghcr.io': { auth } } }) });
    expect(await inline('ghcr.io')).toEqual(login);
    expect(await dockerCredentials({ DOCKER_CONFIG: join(folder, 'none') })('ghcr.io')).toBeUndefined();
  });

  it('a file that is no JSON is named and not quoted', async () => {
    await writeFile(join(folder, 'config.json'), '{"auths":{"ghcr.io":{"auth":"c2VjcmV0');
    const error = (await dockerCredentials({ DOCKER_CONFIG: folder })('ghcr.io').catch(
      (caught: unknown) => caught,
    )) as Failure;
    expect(error.message).toContain('config.json');
    expect(error.message).not.toContain('c2VjcmV0');
  });
});

describe('errors', () => {
  const url = new URL('https://user:pw@ghcr.io/v2/a/blobs/uploads/1?_state=abc&digest=sha256:12&X-Amz-Signature=s');

  it('name method, URL without secrets, status and the codes of the registry', () => {
    const body = Buffer.from('{"errors":[{"code":"DENIED","message":"permission_denied: write_package"}]}');
    const error = errorOf('PUT', url, 403, {}, body);
    expect(error.message).toBe(
      'PUT https://ghcr.io/v2/a/blobs/uploads/1?_state=REDACTED&digest=sha256:12&X-Amz-Signature=REDACTED: 403 DENIED: permission_denied: write_package',
    );
    expect(redacted(url)).not.toMatch(/pw|abc|user/);
    const failure = registryFailure('saving a', error, 'ghcr.io', 'push') as Failure;
    expect(failure.fix).toContain('packages: write');
    expect(failure.fix).toContain('link the package');
  });

  it('of a token service elsewhere ask for a login to the registry', () => {
    const error = errorOf('GET', new URL('https://gitlab.com/jwt/auth'), 403, {}, Buffer.from(''));
    const failure = registryFailure('reading a', error, 'registry.gitlab.com', 'pull') as Failure;
    expect(failure.fix).toContain('`docker login registry.gitlab.com`');
  });

  it('are temporary or not', () => {
    const temporary = (status: number) => errorOf('GET', url, status, {}, Buffer.from('')).temporary;
    expect([429, 500, 502, 503, 504, 408].every(temporary)).toBe(true);
    expect([400, 401, 403, 404, 405, 413, 416, 501].some(temporary)).toBe(false);
  });

  it('a pause is seconds or a date', () => {
    expect(parseRetryAfter('7')).toBe(7000);
    expect(parseRetryAfter('Wed, 21 Oct 2026 07:28:10 GMT', Date.parse('2026-10-21T07:28:00Z'))).toBe(10_000);
    expect(parseRetryAfter('soon')).toBeUndefined();
  });
});

it('pauses double and stay below the longest', () => {
  const policy = { attempts: 9, first: 500, longest: 4000, patience: 0 };
  expect([0, 1, 2, 3, 4].map((attempt) => backoff(policy, attempt, 1))).toEqual([500, 1000, 2000, 4000, 4000]);
  expect(backoff(policy, 0, 0)).toBe(250);
});

it('plain HTTP is for this machine, and for hosts that were named', () => {
  for (const host of ['localhost:5000', '127.0.0.1', '127.0.0.1:80', '[::1]:5000']) {
    expect(endpointOf(host).plainAllowed).toBe(true);
  }
  for (const host of ['ghcr.io', 'localhost.example', '127.0.0.1.example', '10.0.0.1:5000']) {
    expect(endpointOf(host).plainAllowed).toBe(false);
  }
  expect(endpointOf('10.0.0.1:5000', ['10.0.0.1:5000']).plainAllowed).toBe(true);
  expect(endpointOf('docker.io').host).toBe('registry-1.docker.io');
});
