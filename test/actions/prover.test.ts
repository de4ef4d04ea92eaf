import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openProver } from '../../src/actions/prover.ts';
import type { DeviceRelease } from '../../src/delta/device-release.ts';
import { silent } from '../../src/progress.ts';

/** Stands for the device program: a file that can be started. */
const program = Buffer.from('#!/bin/sh\nexit 0\n');
const broken = Buffer.from('#!/bin/sh\necho "wrong machine" >&2\nexit 126\n');
const sumOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const releaseOf = (bytes: Buffer): DeviceRelease => {
  const sha256 = sumOf(bytes);
  return { version: '7.8.9', go: 'go1.99', programs: { amd64: { sha256 }, arm64: { sha256 } } };
};

let temporary: string;
let server: Server;
let served: Buffer | undefined;
let asked: string[];
let notes: string[];
beforeEach(async () => {
  temporary = mkdtempSync(join(tmpdir(), 'imgbuild-prover-'));
  [served, asked, notes] = [program, [], []];
  server = createServer((request, response) => {
    asked.push(request.url!);
    response.writeHead(served === undefined ? 404 : 200).end(served);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(() => {
  server.close();
  rmSync(temporary, { recursive: true, force: true });
});

const open = (release: DeviceRelease, repository = 'acme/imgbuild') =>
  openProver(
    { temporary, progress: { ...silent, note: (text) => notes.push(text) }, signal: new AbortController().signal },
    release,
    {
      GITHUB_ACTION_REPOSITORY: repository,
      GITHUB_SERVER_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    },
  );
const why = async (release: DeviceRelease, repository?: string) => {
  const { decoder } = await open(release, repository);
  expect(decoder.name).toBe('imgbuild');
  expect(notes).toHaveLength(1);
  return decoder.name === 'imgbuild' ? decoder.because : undefined;
};

test('the program is fetched from the release of the action, and believed by its sum', async () => {
  const { decoder } = await open(releaseOf(program));
  expect(decoder).toEqual({ name: 'imgbuild-ota', version: '7.8.9', sha256: sumOf(program) });
  const name = `imgbuild-ota-linux-${process.arch === 'arm64' ? 'arm64' : 'amd64'}`;
  expect(asked).toEqual([`/acme/imgbuild/releases/download/v7.8.9/${name}`]);
  expect(notes).toEqual([]);
});

test('another program under its name is never started', async () => {
  served = Buffer.from(`#!/bin/sh\ntouch ${temporary}/started\n`);
  expect(await why(releaseOf(program))).toContain(`has the sum ${sumOf(served)}, and this action knows`);
  expect(() => rmSync(join(temporary, 'started'))).toThrow('ENOENT');
});

test('where nothing is published, it is said so', async () => {
  served = undefined;
  expect(await why(releaseOf(program))).toMatch(/v7\.8\.9\/imgbuild-ota-linux-.*404/);
});

test('a program that does not start here is left', async () => {
  served = broken;
  expect(await why(releaseOf(broken))).toContain('does not start here: wrong machine');
});

test('an action of no repository asks nobody', async () => {
  expect(await why(releaseOf(program), '')).toContain('comes from no repository');
  expect(asked).toEqual([]);
});
