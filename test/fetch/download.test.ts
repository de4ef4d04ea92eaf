import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Failure } from '../../src/failure.ts';
import { downloadFile, type Download } from '../../src/fetch/download.ts';
import { silent } from '../../src/progress.ts';
import { startFaultyServer, type Fault, type FaultyServer } from './support/faulty-server.ts';

vi.setConfig({ testTimeout: 120_000 });

const content = randomBytes(1_000_000);
const sum = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const sha256 = sum(content);

let server: FaultyServer;
let folder: string;
let partial: string;
beforeEach(async () => {
  server = await startFaultyServer(content);
  folder = mkdtempSync(join(tmpdir(), 'imgbuild-download-'));
  partial = join(folder, 'partial');
});
afterEach(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

const download = (more: Partial<Download> = {}) =>
  downloadFile({
    url: server.url,
    sha256,
    partial,
    name: 'yolo.bin',
    progress: silent,
    retry: { attempts: 4, first: 2, longest: 5, patience: 100 },
    http: { headersTimeout: 300, bodyTimeout: 300 },
    wrongSum: (found, size) => new Failure({ doing: 'fetching', because: `${size} bytes have the sum ${found}` }),
    ...more,
  });
/** By the number of the request; the last one's for all further ones. */
const faults = (...list: (Fault | undefined)[]) => {
  server.fault = ({ number }) => list[Math.min(number, list.length - 1)];
};
const whole = () => expect(sum(readFileSync(partial))).toBe(sha256);

describe('a server that', () => {
  test('does nothing wrong is asked once', async () => {
    expect(await download()).toBe(content.length);
    whole();
    expect(server.requests).toMatchObject([{ range: undefined }]);
  });

  test('cuts is asked for the rest, and sends no byte twice', async () => {
    faults({ cut: 300_000 }, { cut: 400_000 }, undefined);
    await download();
    whole();
    expect(server.requests).toMatchObject([
      { range: undefined },
      { range: 'bytes=300000-', ifRange: '"one"' },
      { range: 'bytes=700000-', ifRange: '"one"' },
    ]);
    expect(server.sent).toBe(content.length);
  });

  test('cuts each time after a little gets as many requests as that takes', async () => {
    faults({ cut: 50_000 });
    await download();
    whole();
    expect(server.sent).toBe(content.length);
  });

  test('cuts at once each time is given up, and what to do is said', async () => {
    faults({ cut: 300_000 }, { cut: 0 });
    await expect(download()).rejects.toMatchObject({
      fix: expect.stringContaining('it goes on after the 300000 bytes that are here'),
    });
    expect(server.requests).toHaveLength(5);
  });

  test('ignores Range has the file fetched from its beginning', async () => {
    faults({ cut: 300_000 }, { ignoreRange: true });
    await download();
    whole();
    expect(server.requests).toHaveLength(2);
  });

  test('ignores Range and always cuts at one place is given up', async () => {
    faults({ cut: 300_000, ignoreRange: true });
    await expect(download()).rejects.toBeInstanceOf(Failure);
    expect(server.requests.length).toBeLessThan(8);
  });

  test('begins the rest earlier than asked: what came twice is left out', async () => {
    faults({ cut: 300_000 }, { early: 1234 });
    await download();
    whole();
  });

  test('lies about length: it says less than the file has', async () => {
    faults({ short: 100_000 }, undefined);
    expect(await download()).toBe(content.length);
    whole();
    expect(server.requests[1]).toMatchObject({ range: 'bytes=900000-' });
  });

  test('lies about length: it says more than the file has', async () => {
    faults({ long: 5000 });
    expect(await download()).toBe(content.length);
    whole();
  });

  test('lies about length: it says more, and keeps us waiting', async () => {
    faults({ headers: { 'content-length': '1005000' }, stall: content.length }, undefined);
    expect(await download()).toBe(content.length);
    whole();
  });

  test('tells no length, and cuts: the rest is asked for', async () => {
    faults({ nameless: true, cut: 250_000 }, undefined);
    await download();
    whole();
    expect(server.sent).toBe(content.length);
  });

  test.each(['bytes 0-9/10', 'bytes 400000-999999/1000000', 'bytes 300000-999999/2000000', 'garbage'])(
    'lies about the range (%s): the file is fetched anew, and is whole',
    async (contentRange) => {
      faults({ cut: 300_000 }, { contentRange }, undefined);
      await download();
      whole();
    },
  );

  test('has another file meanwhile: no byte of the old one stays', async () => {
    const other = Buffer.concat([randomBytes(300_000), content.subarray(300_000)]);
    server.content = other;
    faults({ cut: 300_000 }, undefined);
    server.fault = ({ number }) => {
      if (number === 0) return { cut: 300_000 };
      server.content = content;
      server.etag = '"two"';
      return undefined;
    };
    await download();
    whole();
  });

  test('has another file under the same ETag: it is fetched once more in one piece', async () => {
    faults({ body: randomBytes(1_000_000), cut: 300_000 }, undefined);
    await download();
    whole();
    expect(server.requests.at(-1)).toMatchObject({ range: undefined });
  });

  test('has another file meanwhile, and no ETag: it is fetched once more in one piece', async () => {
    server.etag = undefined;
    faults({ body: randomBytes(1_000_000), cut: 300_000 }, undefined);
    await download();
    whole();
    expect(server.requests.at(-1)).toMatchObject({ range: undefined });
  });

  test('gives a part and then other ranges than it is asked for, for ever, is given up', async () => {
    server.fault = ({ range }) =>
      range === undefined
        ? { body: content.subarray(0, 10), status206: 'bytes 0-9/1000000' }
        : { contentRange: 'bytes 500-999/1000000' };
    await expect(download()).rejects.toMatchObject({ because: expect.stringContaining('contradict each other') });
  });

  test('stalls is cut, and goes on', async () => {
    faults({ stall: 500_000 }, undefined);
    await download();
    whole();
  });

  test.each([500, 502, 503, 429])('answers %i for a while is asked again', async (status) => {
    faults({ status }, { cut: 1000 }, { status }, undefined);
    await download();
    whole();
  });

  test.each([
    [404, 'write that as its url:'],
    [410, 'write that as its url:'],
    [403, 'write path: FILE'],
    [401, 'write path: FILE'],
    [500, 'run it again later'],
  ])('answers %i: an error that says what to do', async (status, fix) => {
    faults({ status });
    await expect(download()).rejects.toMatchObject({ because: expect.any(String), fix: expect.stringContaining(fix) });
  });

  test('compresses on the way is told so', async () => {
    faults({ headers: { 'content-encoding': 'gzip' } });
    await expect(download()).rejects.toMatchObject({ because: expect.stringContaining('coding gzip') });
  });

  test('redirects is followed; in a circle, or away from http, it is not', async () => {
    server.fault = ({ path }) =>
      path === '/models/yolo.bin' ? { status: 302, headers: { location: '/there' } } : undefined;
    await download();
    whole();
    rmSync(partial);
    faults({ status: 302, headers: { location: '/models/yolo.bin' } });
    await expect(download()).rejects.toMatchObject({ because: expect.stringContaining('without end') });
    faults({ status: 302, headers: { location: 'file:///etc/passwd' } });
    await expect(download()).rejects.toMatchObject({ because: expect.stringContaining('redirects to file:') });
  });
});

test('wrong checksum from a source: both sums are told, after one request and a look for more, and nothing is kept', async () => {
  server.content = Buffer.from('another file');
  await expect(download()).rejects.toMatchObject({ because: `12 bytes have the sum ${sum(server.content)}` });
  expect(server.requests).toMatchObject([{ range: undefined }, { range: 'bytes=12-' }]);
  expect(readFileSync(partial)).toHaveLength(0);
});

test('a secret in the query of a URL is in no message', async () => {
  faults({ status: 404 });
  const error = await download({ url: `${server.url}?X-Signature=hunter2` }).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(Failure);
  expect(JSON.stringify([(error as Failure).message, (error as Failure).fix])).not.toContain('hunter2');
});

describe('what an earlier call left', () => {
  test('is gone on with after Ctrl-C', async () => {
    const stop = new AbortController();
    faults({ stall: 600_000 }, undefined);
    let seen = 0;
    const progress = {
      ...silent,
      transfer: () => ({ add: (bytes: number) => void ((seen += bytes) >= 600_000 && stop.abort()), end() {} }),
    };
    await expect(download({ progress, signal: stop.signal })).rejects.toThrow();
    expect(readFileSync(partial)).toHaveLength(600_000);
    const notes: string[] = [];
    await download({ progress: { ...silent, note: (text) => notes.push(text) } });
    whole();
    expect(server.requests).toMatchObject([{}, { range: 'bytes=600000-', ifRange: '"one"' }]);
    expect(notes).toEqual(['yolo.bin: 600000 bytes are here from before, going on after them']);
  });

  test('is used though its note is damaged or gone', async () => {
    writeFileSync(partial, content.subarray(0, 10_000));
    writeFileSync(`${partial}.json`, '{"url":');
    await download();
    whole();
    expect(server.requests).toMatchObject([{ range: 'bytes=10000-', ifRange: undefined }]);
  });

  test('and is wrong, or longer than the file, is thrown away', async () => {
    writeFileSync(partial, randomBytes(10_000));
    await download();
    whole();
    writeFileSync(partial, randomBytes(2_000_000));
    await download();
    whole();
  });

  test('and is whole is asked for nothing', async () => {
    writeFileSync(partial, content);
    await download();
    expect(server.requests).toEqual([]);
  });
});

test('of whatever a server does wrong in a row, the file is whole or there is an error', async () => {
  const size = fc.nat({ max: 70_000 });
  const fault: fc.Arbitrary<Fault | undefined> = fc.oneof(
    fc.constant(undefined),
    fc.record({ cut: size, ignoreRange: fc.option(fc.constant(true as const), { nil: undefined }) }),
    fc.record({ short: size }),
    fc.record({ long: size }),
    fc.record({ nameless: fc.constant(true as const), cut: size }),
    fc.record({ early: size }),
    fc.record({ status: fc.constantFrom(404, 416, 429, 500, 503) }),
    fc.record({
      contentRange: fc.oneof(
        fc.string().filter((text) => /^[ -~]*$/.test(text)),
        fc.tuple(size, size, size).map(([a, b, c]) => `bytes ${a}-${b}/${c}`),
      ),
    }),
    fc.record({ body: fc.uint8Array({ maxLength: 70_000 }).map((bytes) => Buffer.from(bytes)) }),
  );
  server.content = content.subarray(0, 65_536);
  const wanted = sum(server.content);
  await fc.assert(
    fc.asyncProperty(fc.array(fault, { maxLength: 6 }), async (list) => {
      const before = server.requests.length;
      server.fault = ({ number }) => list[number - before];
      rmSync(partial, { force: true });
      const result = await download({ sha256: wanted }).catch((error: unknown) => error);
      if (typeof result === 'number') expect(sum(readFileSync(partial))).toBe(wanted);
      else expect(result).toBeInstanceOf(Failure);
      expect(server.requests.length - before).toBeLessThan(40);
    }),
    { numRuns: 150 },
  );
});

test('the mark of a URL that is not the same is not believed', async () => {
  writeFileSync(partial, content.subarray(0, 10));
  writeFileSync(`${partial}.json`, JSON.stringify({ url: 'http://elsewhere/', validator: '"one"' }));
  await download();
  whole();
  expect(server.requests[0]).toMatchObject({ ifRange: undefined });
  expect(existsSync(`${partial}.json`)).toBe(true);
});
