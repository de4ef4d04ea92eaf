import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { digestOf } from '../../src/oci/digest.ts';
import { ghcrPackages } from '../../src/store/ghcr-packages.ts';
import { RegistryStore } from '../../src/store/registry.ts';
import { removeFromGhcr } from '../../src/store/remove.ts';
import { findings, type GitHubCall } from '../support/github-description.ts';

interface Version {
  id: number;
  name: string;
  updated_at: string;
  metadata: { container: { tags: string[] } };
}

/** Stands in for GitHub's API: what it answers is what its documentation shows. */
let server: Server;
let api: string;
let owner: 'Organization' | 'User';
let packages: Map<string, Version[]>;
let log: string[];
let troubles: number;
let retryAfter: string;
let elsewhere: string | undefined;
/** Of all tests. */
const links = new Set<string>();
const calls: GitHubCall[] = [];

beforeEach(async () => {
  owner = 'Organization';
  packages = new Map();
  log = [];
  troubles = 0;
  retryAfter = '0';
  elsewhere = undefined;
  server = createServer((request, response) => {
    const url = new URL(request.url!, 'http://x');
    log.push(`${request.method} ${url.pathname}`);
    const query = Object.fromEntries(url.searchParams);
    const answer = (status: number, body?: unknown) => {
      const asked = { method: request.method!, path: url.pathname, query, contentType: undefined };
      // Where GitHub itself leads is no request of ours.
      if (!links.has(request.url!)) calls.push({ ...asked, answer: { status, json: body } });
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(body === undefined ? '' : JSON.stringify(body));
    };
    if (troubles > 0) {
      troubles -= 1;
      response.writeHead(429, { 'retry-after': retryAfter });
      response.end();
      return;
    }
    if (request.headers.authorization !== 'Bearer token') return answer(401, { message: 'Bad credentials' });
    if (url.pathname === '/users/acme') return answer(200, { type: owner });
    const base = owner === 'User' ? '/users/acme' : '/orgs/acme';
    const page = <T>(all: T[]) => {
      const [size, number] = [
        Number(url.searchParams.get('per_page') ?? 30),
        Number(url.searchParams.get('page') ?? 1),
      ];
      if (all.length > size * number) {
        url.searchParams.set('page', String(number + 1));
        links.add(`${url.pathname}${url.search}`);
        const last = `<${api}${url.pathname}?page=9>; rel="last"`;
        response.setHeader('link', `<${elsewhere ?? api}${url.pathname}${url.search}>; rel="next", ${last}`);
      }
      return answer(200, all.slice(size * (number - 1), size * number));
    };
    if (url.pathname === `${base}/packages` && url.searchParams.get('package_type') === 'container') {
      return page([...packages.keys()].map((name) => ({ name })));
    }
    const [, name, id] = /\/packages\/container\/([^/]+)\/versions(?:\/(\d+))?$/.exec(url.pathname) ?? [];
    const versions = packages.get(decodeURIComponent(name ?? ''));
    if (!url.pathname.startsWith(base) || versions === undefined) return answer(404, { message: 'Not Found' });
    if (request.method === 'GET') return page(versions);
    const index = versions.findIndex((version) => String(version.id) === id);
    if (index < 0) return answer(404, { message: 'Not Found' });
    const tagged = versions.filter(({ metadata }) => metadata.container.tags.length > 0);
    if (tagged.length === 1 && tagged[0] === versions[index]) {
      return answer(400, { message: 'You cannot delete the last tagged version of a package.' });
    }
    versions.splice(index, 1);
    return answer(204);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  api = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const version = (id: number, tags: string[]): Version => ({
  id,
  name: digestOf(`version ${id}`),
  updated_at: '2026-11-01T00:00:00Z',
  metadata: { container: { tags } },
});
const open = (token = 'token') => ghcrPackages({ owner: 'acme', token, api });
const removal = (id: number, tags: string[]) => ({
  repository: 'service',
  digest: digestOf(`version ${id}`),
  tags,
  kind: 'layer' as const,
});
const store = () => new RegistryStore('ghcr.io', 'acme/ccai');

describe("GitHub's packages", () => {
  it('are listed page by page, for an organisation and for a user', async () => {
    for (const kind of ['Organization', 'User'] as const) {
      owner = kind;
      packages = new Map(Array.from({ length: 130 }, (_, index) => [`ccai/p${index}`, []]));
      expect(await open().list()).toHaveLength(130);
    }
    packages.set(
      'ccai/service',
      Array.from({ length: 250 }, (_, index) => version(index, [`t${index}`])),
    );
    expect(await open().versions('acme/ccai/service')).toHaveLength(250);
    expect(await open().versions('acme/ccai/absent')).toEqual([]);
  });

  it('a version goes only when every tag on it is garbage', async () => {
    packages.set('ccai/service', [
      version(1, ['fp-1', 'inputs-1']),
      version(2, ['fp-2', '1.0.0']),
      version(3, ['latest']),
    ]);
    const removals = [removal(1, ['fp-1', 'inputs-1']), removal(2, ['fp-2']), removal(9, ['fp-9'])];
    const result = await removeFromGhcr(open(), store(), removals);
    expect(result.removed).toEqual([removals[0]]);
    expect(result.kept.map(({ why }) => why)).toEqual([
      'the tag 1.0.0 was put on it meanwhile',
      'the package has no such version',
    ]);
    expect(packages.get('ccai/service')!.map(({ id }) => id)).toEqual([2, 3]);
    expect(log.filter((line) => line.startsWith('DELETE'))).toEqual([
      'DELETE /orgs/acme/packages/container/ccai%2Fservice/versions/1',
    ]);
  });

  it('the last tagged version stays, with what GitHub says', async () => {
    packages.set('ccai/service', [version(1, ['fp-1'])]);
    const result = await removeFromGhcr(open(), store(), [removal(1, ['fp-1'])]);
    expect(result.kept[0]!.why).toContain('last tagged version');
  });

  it('of a next page on another server are not asked for: the token goes nowhere else', async () => {
    packages = new Map(Array.from({ length: 130 }, (_, index) => [`ccai/p${index}`, []]));
    elsewhere = 'https://elsewhere.example';
    await expect(open().list()).rejects.toMatchObject({ because: 'it names a next page on another server' });
  });

  it('that are limited are asked again', async () => {
    packages.set('ccai/service', []);
    troubles = 2;
    expect(await open().list()).toEqual(['acme/ccai/service']);
  });

  it('that name the time until which they are limited are asked again then', async () => {
    packages.set('ccai/service', []);
    troubles = 1;
    retryAfter = new Date(Date.now() + 2000).toUTCString();
    const begun = Date.now();
    expect(await open().list()).toEqual(['acme/ccai/service']);
    expect(Date.now() - begun).toBeGreaterThan(500);
  });

  it('Ctrl-C ends the pause', async () => {
    troubles = 1;
    retryAfter = '100';
    const stop = AbortSignal.timeout(50);
    await expect(ghcrPackages({ owner: 'acme', token: 'token', api, signal: stop }).list()).rejects.toThrow();
    expect(stop.aborted).toBe(true);
  });

  it('a token without the right: the message names it', async () => {
    await expect(open('other').list()).rejects.toMatchObject({
      because: '401 Bad credentials',
      fix: expect.stringContaining('read:packages'),
    });
  });

  it("are asked for as GitHub's OpenAPI description has it", async () => {
    packages.set('ccai/service', [version(1, ['a']), version(2, ['b'])]);
    for (const kind of ['Organization', 'User'] as const) {
      owner = kind;
      await open().list();
      await open().versions('acme/ccai/service');
      await open().remove('acme/ccai/service', kind === 'User' ? 1 : 2);
    }
    const kinds = calls.map(({ method, path }) => `${method} ${path.replace(/\d+$/, 'N')}`);
    expect(kinds).toEqual(
      expect.arrayContaining([
        'GET /users/acme',
        'GET /orgs/acme/packages',
        'GET /users/acme/packages',
        'GET /orgs/acme/packages/container/ccai%2Fservice/versions',
        'DELETE /orgs/acme/packages/container/ccai%2Fservice/versions/N',
        'GET /users/acme/packages/container/ccai%2Fservice/versions',
        'DELETE /users/acme/packages/container/ccai%2Fservice/versions/N',
      ]),
    );
    expect(findings(calls)).toEqual([]);
  }, 120_000);
});
