import { randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, type Dispatcher } from 'undici';
import { describe, expect, it } from 'vitest';
import { BrokenContent } from '../../src/oci/broken-content.ts';
import { startMemoryRegistry, type Fault } from '../support/registry-memory.ts';
import { blobOf } from '../store/content.ts';
import { client, registry } from '../support/registry-client.ts';

describe('a download', () => {
  const bytes = randomBytes(2_000_000);
  const blob = blobOf(bytes);
  const put = async () => client().putBlob('app', blob);

  it('that is cut goes on by Range, several times', async () => {
    await put();
    registry.fault = ({ method, nth }) => (method === 'GET' && nth < 4 ? { cut: 300_000 } : undefined);
    registry.log.length = 0;
    expect(Buffer.compare(await buffer(await client().openBlob('app', blob)), bytes)).toBe(0);
    const ranges = registry.log.map(({ range }) => range);
    expect(ranges[0]).toBeUndefined();
    expect(ranges.length).toBe(4);
    expect(ranges.slice(1).every((range) => /^bytes=[1-9]\d*-$/.test(range!))).toBe(true);
  });

  it.each([240_000, 270_000, 300_000, 330_000, 500_000])(
    'that is cut under a slow reader loses nothing (%i bytes)',
    async (cut) => {
      await put();
      registry.fault = ({ method, nth }) => (method === 'GET' && nth === 1 ? { cut, trickle: 30_000 } : undefined);
      registry.log.length = 0;
      const stream = await client().openBlob('app', blob);
      // Nothing is read until the connection is long gone.
      await sleep(1000);
      expect(Buffer.compare(await buffer(stream), bytes)).toBe(0);
      expect(registry.log.map(({ range }) => range)).toEqual([undefined, `bytes=${cut}-`]);
    },
  );

  it('that nobody reads is ended with its connection', async () => {
    await put();
    const connections = new Set<Dispatcher>();
    const agent = new Agent({ connections: 1 });
    agent.on('disconnect', (_origin, targets) => targets.forEach((target) => connections.delete(target)));
    agent.on('connect', (_origin, targets) => targets.forEach((target) => connections.add(target)));
    const stream = await client({ dispatcher: () => agent }).openBlob('app', blob);
    stream.destroy();
    await expect.poll(() => connections.size).toBe(0);
    await agent.close();
  });

  it('that is cut without end fails and does not end', async () => {
    await put();
    registry.fault = ({ method, nth }) => (method === 'GET' ? { cut: nth === 1 ? 1000 : 0 } : undefined);
    await expect(buffer(await client().openBlob('app', blob))).rejects.toThrow(/connection was cut/);
  });

  it('flipped byte: the digest of the whole tells, before the end', async () => {
    await put();
    registry.fault = ({ method }) => (method === 'GET' ? { flip: true } : undefined);
    await expect(buffer(await client().openBlob('app', blob))).rejects.toThrow(BrokenContent);
  });

  it('a truncated blob is broken, never shorter', async () => {
    await put();
    registry.blobs.set(blob.digest, bytes.subarray(0, 1000));
    await expect(buffer(await client().openBlob('app', blob))).rejects.toThrow(/ends after 1000 of the 2000000 bytes/);
  });

  it('that is redirected takes no Authorization along', async () => {
    const other = await startMemoryRegistry();
    try {
      registry.auth = { kind: 'basic', user: 'u', password: 'p' };
      const logged = client({ credentials: async () => ({ kind: 'password', user: 'u', password: 'p' }) });
      await logged.putBlob('app', blob);
      other.blobs.set(blob.digest, bytes);
      registry.blobsAt = other.host;
      expect(Buffer.compare(await buffer(await logged.openBlob('app', blob)), bytes)).toBe(0);
      expect(other.log.map(({ authorization }) => authorization)).toEqual([undefined]);
    } finally {
      await other.close();
    }
  });
});

describe('an upload', () => {
  it('is one PUT', async () => {
    await client().putBlob('app', blobOf(randomBytes(6_000_000)));
    expect(registry.log.filter(({ sent }) => sent > 0).map(({ method }) => method)).toEqual(['PUT']);
  });

  it('goes in pieces of 4 MiB where a proxy refuses more at once', async () => {
    registry.mostPut = 5_000_000;
    registry.mostPatch = 4 * 1024 * 1024;
    const blob = blobOf(randomBytes(10_000_000));
    expect(await client().putBlob('app', blob)).toEqual({ outcome: 'uploaded', bytes: blob.size });
    expect(registry.blobs.get(blob.digest)).toHaveLength(10_000_000);
    expect(registry.log.filter(({ method }) => method === 'PATCH').map(({ sent }) => sent)).toEqual([
      4194304, 4194304, 1611392,
    ]);
  });

  it('in pieces goes on after a cut, with the answer lost or the piece lost', async () => {
    registry.mostPut = 1_000_000;
    const blob = blobOf(randomBytes(10_000_000));
    let cuts = 0;
    registry.fault = ({ method }) => (method === 'PATCH' && ++cuts % 2 === 1 && cuts < 6 ? { cut: 0 } : undefined);
    await client().putBlob('app', blob);
    expect(registry.blobs.get(blob.digest)).toHaveLength(10_000_000);
  });

  it('of a large blob that is cut goes on in pieces', async () => {
    const blob = blobOf(randomBytes(17 * 1024 * 1024));
    let puts = 0;
    registry.fault = ({ method, path }) =>
      method === 'PUT' && path.includes('uploads') && ++puts === 1 ? { cut: 0 } : undefined;
    await client().putBlob('app', blob);
    expect(registry.log.filter(({ method }) => method === 'PATCH')).toHaveLength(5);
  });

  it('whose session is lost starts over', async () => {
    let puts = 0;
    registry.fault = ({ method, path }) =>
      method === 'PUT' && path.includes('uploads') && ++puts === 1
        ? { status: 404, body: '{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}' }
        : undefined;
    expect(await client().putBlob('app', blobOf('x'))).toMatchObject({ outcome: 'uploaded' });
  });

  it('whose session is lost between two pieces starts over', async () => {
    registry.mostPut = 1_000_000;
    const blob = blobOf(randomBytes(10_000_000));
    let patches = 0;
    registry.fault = ({ method }) =>
      method === 'PATCH' && ++patches === 2
        ? { status: 404, body: '{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}' }
        : undefined;
    expect(await client().putBlob('app', blob)).toEqual({ outcome: 'uploaded', bytes: blob.size });
    expect(registry.blobs.get(blob.digest)).toHaveLength(10_000_000);
    expect(patches).toBe(2 + 3);
  });

  it('of which the registry loses every piece ends', async () => {
    registry.mostPut = 1_000_000;
    let patches = 0;
    registry.fault = ({ method, path }): Fault | undefined => {
      if (method === 'PATCH') return ++patches % 2 === 0 ? { cut: 0 } : { status: 202, headers: { location: path } };
      return method === 'GET' ? { status: 204, headers: { range: '0-0' } } : undefined;
    };
    await expect(client().putBlob('app', blobOf(randomBytes(10_000_000)))).rejects.toThrow(/it has 0 bytes of an/);
  });

  it('that arrived although its answer was lost is not sent again', async () => {
    const blob = blobOf('arrived');
    registry.fault = ({ method, path, nth }) => {
      if (method !== 'PUT' || !path.includes('uploads') || nth > 1) return undefined;
      registry.blobs.set(blob.digest, Buffer.from('arrived'));
      registry.linked.add(`app ${blob.digest}`);
      return { cut: 0 };
    };
    await client().putBlob('app', blob);
    expect(registry.log.filter(({ method }) => method === 'PUT')).toHaveLength(1);
  });

  it('leaves no upload open where mounts are refused', async () => {
    const [sent, mounted] = [blobOf('sent'), blobOf('mounted')];
    expect(await client().putBlob('two', sent, { mountFrom: ['x', 'y', 'z'] })).toMatchObject({ outcome: 'uploaded' });
    await client().putBlob('one', mounted);
    expect(await client().putBlob('two', mounted, { mountFrom: ['x', 'one'] })).toMatchObject({ outcome: 'mounted' });
    expect([...registry.uploads.keys()]).toEqual([]);
  });

  it('falls back to sending when a mount is refused', async () => {
    const blob = blobOf('mount');
    await client().putBlob('one', blob);
    registry.fault = ({ method, nth }) => (method === 'POST' && nth === 1 ? { status: 403 } : undefined);
    expect(await client().putBlob('two', blob, { mountFrom: ['one'] })).toMatchObject({ outcome: 'uploaded' });
  });
});
