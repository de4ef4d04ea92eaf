import { randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { Failure } from '../../src/failure.ts';
import { BrokenContent } from '../../src/oci/broken-content.ts';
import { RegistryClient } from '../../src/registry/client.ts';
import type { Fault } from '../support/registry-memory.ts';
import { blobOf } from '../store/content.ts';
import { client, image, pauses, registry, retry } from '../support/registry-client.ts';

describe('a registry that has trouble', () => {
  it('a blob that it confirmed and does not know for a moment is asked for again', async () => {
    const body = JSON.stringify({ errors: [{ code: 'MANIFEST_BLOB_UNKNOWN', message: 'blob unknown to registry' }] });
    registry.fault = ({ method, path, nth }) =>
      method === 'PUT' && path.endsWith('/manifests/v1') && nth < 3 ? { status: 400, body } : undefined;
    const { descriptor } = await image();
    expect((await client().getManifest('app', 'v1'))?.descriptor).toEqual(descriptor);
  });

  for (const status of [429, 500, 502, 503, 504, 408]) {
    it(`${status} is tried again`, async () => {
      const { descriptor } = await image();
      registry.fault = ({ path, nth }) => (path.endsWith('/manifests/v1') && nth < 3 ? { status } : undefined);
      expect((await client().getManifest('app', 'v1'))?.descriptor).toEqual(descriptor);
      expect(pauses).toHaveLength(2);
    });
  }

  it('Retry-After is kept', async () => {
    await image();
    registry.fault = ({ method, nth }) =>
      method === 'GET' && nth === 1 ? { status: 429, headers: { 'retry-after': '1' } } : undefined;
    const started = Date.now();
    await client().getManifest('app', 'v1');
    expect(Date.now() - started).toBeGreaterThan(950);
    expect(pauses).toEqual([1000]);
  });

  it('a Retry-After beyond patience is told at once', async () => {
    registry.fault = ({ path }) =>
      path === '/v2/app/manifests/v1' ? { status: 429, headers: { 'retry-after': '3600' } } : undefined;
    await expect(client().getManifest('app', 'v1')).rejects.toMatchObject({ fix: expect.stringContaining('limits') });
    expect(pauses).toEqual([]);
  });

  it('that stays is a Failure, not a missing layer', async () => {
    registry.fault = () => ({ status: 503, body: '<html>Service Unavailable</html>' });
    const error = await client()
      .getManifest('app', 'v1')
      .catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(Failure);
    expect(error).not.toBeInstanceOf(BrokenContent);
    expect((error as Failure).message).toMatch(/503$/);
    expect((error as Failure).fix).toContain('run it again later');
  });

  it('cut before an answer is tried again', async () => {
    await image();
    registry.fault = ({ method, nth }) => (method === 'GET' && nth < 3 ? { cut: 0 } : undefined);
    expect(await client().getManifest('app', 'v1')).toBeDefined();
  });

  it('cut in the middle of a manifest is tried again', async () => {
    const { descriptor } = await image();
    registry.fault = ({ method, nth }) => (method === 'GET' && nth < 3 ? { cut: 20 } : undefined);
    expect((await client().getManifest('app', 'v1'))?.descriptor).toEqual(descriptor);
  });

  it('that does not answer in time is told', async () => {
    registry.fault = ({ path }) => (path === '/v2/' ? undefined : { delay: 3000 });
    const impatient = client({ headersTimeout: 100, retry: { ...retry, attempts: 2 } });
    await expect(impatient.getManifest('app', 'v1')).rejects.toThrow(/does not answer in time/);
  });

  it('nobody listens', async () => {
    const gone = new RegistryClient('127.0.0.1:1', { retry, credentials: async () => undefined });
    await expect(gone.getManifest('app', 'v1')).rejects.toThrow(/nobody listens there/);
  });

  it('Ctrl-C ends the waiting', async () => {
    registry.fault = () => ({ status: 503, headers: { 'retry-after': '2' } });
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 100);
    const started = Date.now();
    await expect(client().getManifest('app', 'v1', controller.signal)).rejects.toMatchObject({ name: 'AbortError' });
    expect(Date.now() - started).toBeLessThan(1500);
  });
});

it('Ctrl-C that the client alone was given ends every pause, and is told as such', async () => {
  const blob = blobOf(randomBytes(10_000));
  await client().putBlob('app', blob);
  const saved = await image();
  const unknown = JSON.stringify({ errors: [{ code: 'MANIFEST_BLOB_UNKNOWN' }] });
  const faults: [Fault, (stopped: RegistryClient) => Promise<unknown>][] = [
    [{ status: 503, headers: { 'retry-after': '2' } }, (stopped) => stopped.putBlob('app', blobOf('new'))],
    [{ cut: 100 }, async (stopped) => buffer(await stopped.openBlob('app', blob))],
    [{ status: 400, body: unknown }, (stopped) => stopped.putManifest('app', 'v1', saved)],
  ];
  for (const [fault, work] of faults) {
    registry.fault = ({ method, path }) => (method === 'HEAD' || path === '/v2/' ? undefined : fault);
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 200);
    const slow = { ...retry, first: 2000, longest: 2000 };
    const begun = Date.now();
    const error = await work(client({ signal: stop.signal, retry: slow })).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ name: 'AbortError' });
    expect(Date.now() - begun).toBeLessThan(1500);
  }
});

it('a redirect to what is no URL is told', async () => {
  registry.fault = ({ path }) =>
    path === '/v2/' ? undefined : { status: 307, headers: { location: 'http://[nowhere' } };
  await expect(client().getManifest('app', 'v1')).rejects.toBeInstanceOf(Failure);
});

describe('a manifest', () => {
  it('flipped byte: broken by its digest', async () => {
    const { descriptor } = await image();
    registry.fault = ({ method }) => (method === 'GET' ? { flip: true } : undefined);
    await expect(client().getManifest('app', 'v1')).rejects.toThrow(BrokenContent);
    await expect(client().getManifest('app', descriptor.digest)).rejects.toThrow(BrokenContent);
  });

  it('tag pointing at garbage: broken, not missing', async () => {
    for (const text of ['garbage', '{"schemaVersion":1}', '[]', '{"schemaVersion":2,"config":{}}']) {
      const entry = { bytes: Buffer.from(text), type: 'application/vnd.oci.image.manifest.v1+json' };
      registry.manifests.set('app:v1', entry);
      await expect(client().getManifest('app', 'v1')).rejects.toThrow(/not an image manifest or index/);
    }
  });

  it('without a length and a digest in its headers is read instead', async () => {
    const { descriptor } = await image();
    registry.fault = ({ method }) => (method === 'HEAD' ? { status: 200 } : undefined);
    expect(await client().headManifest('app', 'v1')).toEqual(descriptor);
  });
});

describe('tokens', () => {
  const login = async () => ({ kind: 'password' as const, user: 'u', password: 'p' });

  it('are fetched for the scopes of the request, mounts joined, and used again', async () => {
    registry.auth = { kind: 'bearer', user: 'u', password: 'p', lifetime: 60 };
    const mine = client({ credentials: login });
    const blob = blobOf('token');
    await mine.putBlob('one', blob);
    await mine.putBlob('one', blobOf('another'));
    expect(await mine.putBlob('two', blob, { mountFrom: ['one'] })).toEqual({ outcome: 'mounted', from: 'one' });
    const asked = registry.log
      .filter(({ path }) => path.startsWith('/token'))
      .map(({ path }) => new URLSearchParams(path.split('?')[1]).getAll('scope'));
    expect(asked).toEqual([
      ['repository:one:pull'],
      ['repository:one:pull,push'],
      ['repository:two:pull'],
      ['repository:two:pull,push', 'repository:one:pull'],
    ]);
  });

  it('that end in the middle of an upload are renewed', async () => {
    registry.auth = { kind: 'bearer', lifetime: 0.6 };
    registry.mostPut = 1_000_000;
    registry.fault = ({ method }) => (method === 'PATCH' ? { delay: 250 } : undefined);
    await client().putBlob('one', blobOf(randomBytes(13_000_000)));
    expect(registry.log.filter(({ path }) => path.startsWith('/token')).length).toBeGreaterThan(2);
  });

  it('a token service in the clear is refused by a registry with TLS', async () => {
    const { Authorization } = await import('../../src/registry/authorization.ts');
    const authorization = new Authorization('ghcr.io', login, () => expect.unreachable());
    await authorization.learn('Bearer realm="http://tokens.example/token"', [], undefined, false);
    await expect(authorization.header(['repository:a:pull'])).rejects.toThrow(/not reached by https/);
  });
});

describe('refusals', () => {
  it('401 without a login names what to do and no secret', async () => {
    registry.auth = { kind: 'basic', user: 'u', password: 'secret' };
    const error = (await client()
      .getManifest('app', 'v1')
      .catch((caught: unknown) => caught)) as Failure;
    expect(error.message).toContain('401 UNAUTHORIZED');
    expect(error.fix).toContain(`docker login ${registry.host}`);
    const wrong = client({ credentials: async () => ({ kind: 'password', user: 'u', password: 'my-wrong-password' }) });
    const second = (await wrong.putBlob('app', blobOf('x')).catch((caught: unknown) => caught)) as Failure;
    expect(second).toBeInstanceOf(Failure);
    expect(JSON.stringify([second.message, second.fix, second.cause])).not.toMatch(/my-wrong-password|bXktd3Jv/);
  });

  it('403 for what is absent means missing to a login that may push, and is an error to others', async () => {
    registry.auth = { kind: 'bearer', user: 'u', password: 'p', lifetime: 60 };
    registry.fault = ({ method, path }) =>
      method === 'GET' && path.includes('/manifests/')
        ? { status: 403, body: '{"errors":[{"code":"DENIED"}]}' }
        : undefined;
    const login = async () => ({ kind: 'password' as const, user: 'u', password: 'p' });
    const pinged = client({ credentials: login });
    await pinged.hasBlob('app', blobOf('x').digest);
    expect(await pinged.getManifest('app', 'v1')).toBeUndefined();
    registry.auth = {
      kind: 'bearer',
      user: 'u',
      password: 'p',
      lifetime: 60,
      refuse: (scope) => scope.endsWith('push'),
    };
    const reader = client({ credentials: login });
    await reader.hasBlob('app', blobOf('x').digest);
    await expect(reader.getManifest('app', 'v1')).rejects.toThrow(/403 DENIED/);
  });

  it('the state of an upload is in no message', async () => {
    registry.fault = ({ method, path }) => (method === 'PUT' && path.includes('uploads') ? { status: 400 } : undefined);
    const error = (await client()
      .putBlob('app', blobOf('x'))
      .catch((caught: unknown) => caught)) as Failure;
    expect(error.message).toContain('_state=REDACTED');
    expect(error.message).not.toContain('secret');
  });
});
