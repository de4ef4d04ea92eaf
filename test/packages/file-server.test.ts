import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Failure } from '../../src/failure.ts';
import { FileServer, rangeOf, type Served, type ServedFile } from '../../src/packages/file-server.ts';

const at = { file: 'Dockerfile', line: 3, column: 5, length: 4, text: 'RUN wget' };

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

const told: string[] = [];
const served: Served = {
  started(file, bytes) {
    told.push(`${file.name} ${bytes}`);
    let sent = 0;
    return { add: (more) => void (sent += more), end: (because) => void told.push(because ?? `sent ${sent}`) };
  },
  refused: (path) => void told.push(`refused ${path}`),
};

async function serve(contents: Record<string, Buffer>) {
  told.length = 0;
  const folder = mkdtempSync(join(tmpdir(), 'imgbuild-packages-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const files = Object.entries(contents).map(([path, bytes], index): ServedFile => {
    const file = join(folder, String(index));
    writeFileSync(file, bytes);
    return {
      path,
      name: `packages/${path}`,
      file,
      size: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    };
  });
  const port = await freePort();
  const server = await FileServer.listen({ host: '127.0.0.1', port }, at);
  onTestFinished(() => server.close());
  const release = await server.lease(files, served);
  const url = `http://127.0.0.1:${port}`;
  return { server, files, port, url, release };
}

const big = randomBytes(3_500_000);

test('a whole file, with its length, its sum as ETag, and what was sent', async () => {
  const { url } = await serve({ 'a b+c.run': big });
  const answer = await fetch(`${url}/a%20b+c.run`);
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-length')).toBe(String(big.length));
  expect(Buffer.from(await answer.arrayBuffer()).equals(big)).toBe(true);
  expect(told).toEqual([`packages/a b+c.run ${big.length}`, `sent ${big.length}`]);
  const etag = answer.headers.get('etag')!;
  expect((await fetch(`${url}/a%20b+c.run`, { headers: { 'If-None-Match': etag } })).status).toBe(304);
  const head = await fetch(`${url}/a%20b+c.run`, { method: 'HEAD' });
  expect([head.status, head.headers.get('content-length')]).toEqual([200, String(big.length)]);
});

test('a broken transfer goes on where it stopped', async () => {
  const { url } = await serve({ x: big });
  const range = async (value: string, headers: Record<string, string> = {}) => {
    const answer = await fetch(`${url}/x`, { headers: { Range: value, ...headers } });
    return {
      status: answer.status,
      of: answer.headers.get('content-range'),
      bytes: Buffer.from(await answer.arrayBuffer()),
    };
  };
  const rest = await range('bytes=3000000-');
  expect([rest.status, rest.of]).toEqual([206, `bytes 3000000-${big.length - 1}/${big.length}`]);
  expect(rest.bytes.equals(big.subarray(3_000_000))).toBe(true);
  expect((await range('bytes=10-19')).bytes.equals(big.subarray(10, 20))).toBe(true);
  expect((await range('bytes=-7')).bytes.equals(big.subarray(-7))).toBe(true);
  expect(await range(`bytes=${big.length}-`)).toMatchObject({ status: 416, of: `bytes */${big.length}` });
  expect((await range('bytes=5-', { 'If-Range': '"another"' })).status).toBe(200);
});

test.each([
  ['bytes=0-0', 10, { first: 0, last: 0 }],
  ['bytes=5-100', 10, { first: 5, last: 9 }],
  ['bytes=-100', 10, { first: 0, last: 9 }],
  ['bytes=-0', 10, 'none'],
  ['bytes=5-4', 10, undefined],
  ['bytes=0-1,3-4', 10, undefined],
  ['lines=1-2', 10, undefined],
  ['bytes=0-', 0, 'none'],
])('%s of %i bytes', (header, size, expected) => {
  expect(rangeOf(header, size)).toEqual(expected);
});

test('what the Dockerfile does not name is not there', async () => {
  const { url, port } = await serve({ 'sub/x': big.subarray(0, 9) });
  expect((await fetch(`${url}/other`)).status).toBe(404);
  expect((await fetch(`${url}/sub/%2e%2e/%2e%2e/etc/passwd`)).status).toBe(404);
  expect((await fetch(`${url}/sub/x`, { method: 'PUT', body: 'x' })).status).toBe(405);
  expect(told).toContain('refused other');
  const error = await FileServer.listen({ host: '127.0.0.1', port }, at).catch((thrown: Failure) => thrown);
  expect(error).toBeInstanceOf(Failure);
  expect(error).toMatchObject({ doing: `serving packages at 127.0.0.1:${port}`, at });
  expect((error as Failure).because).toBe('another program listens there');
});

test('an address that this machine has not got is named', async () => {
  await expect(FileServer.listen({ host: '192.0.2.123', port: 3000 }, at)).rejects.toThrow(
    'serving packages at 192.0.2.123:3000: this machine has no address 192.0.2.123',
  );
});

test('folders are listed as pip and wget -r read them', async () => {
  const { url } = await serve({ 'wheels/a-1.whl': big.subarray(0, 9), 'wheels/b c.whl': big.subarray(0, 8), top: big });
  const list = await (await fetch(`${url}/wheels`)).text();
  expect([...list.matchAll(/href="([^"]*)"/g)].map((match) => match[1])).toEqual(['a-1.whl', 'b%20c.whl']);
  expect(await (await fetch(url)).text()).toContain('href="wheels/"');
});

test('a file that changed since the plan never arrives whole', async () => {
  const { url, files } = await serve({ x: big });
  const other = Buffer.from(big);
  other[0] = big[0]! ^ 1;
  writeFileSync(files[0]!.file, other);
  await expect(fetch(`${url}/x`).then((answer) => answer.arrayBuffer())).rejects.toThrow();
  expect(told.at(-1)).toBe('the file is not what it was when the build was planned');
  writeFileSync(files[0]!.file, 'shorter');
  expect((await fetch(`${url}/x`)).status).toBe(500);
});

test('two builds that need other bytes under one name take turns', async () => {
  const { server, files, url, release } = await serve({ 'install.sh': Buffer.from('one') });
  const same = await server.lease(files, served);
  const other = { ...files[0]!, sha256: '0'.repeat(64) };
  let turn = false;
  const waiting = server.lease([other], served).then((end) => ((turn = true), end));
  release();
  await new Promise((done) => setImmediate(done));
  expect(turn).toBe(false);
  expect(await (await fetch(`${url}/install.sh`)).text()).toBe('one');
  same();
  (await waiting)();
  expect((await fetch(`${url}/install.sh`)).status).toBe(404);
});
