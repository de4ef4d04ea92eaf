import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { GitHubCall } from './github-description.ts';

interface Asset {
  id: number;
  name: string;
  size: number;
  state: 'uploaded' | 'open';
  sha256: string;
  digest?: string | null;
  browser_download_url?: string;
}

interface Page {
  id: number;
  tag_name: string;
  name: string;
  body: string;
  draft: boolean;
  prerelease: boolean;
  html_url: string;
  upload_url: string;
  assets: Asset[];
}

export interface GitHubApi {
  /** For GITHUB_API_URL. */
  url: string;
  pages: Page[];
  requests: string[];
  /** Of its REST interface, with what was answered. */
  calls: GitHubCall[];
  /** The next uploads fail with a 502, so often. */
  failUploads: number;
  close(): Promise<void>;
}

/** The part of GitHub's REST interface that release pages need, with its rules: drafts have no tag, names are unique. */
export async function startGitHubApi(token: string): Promise<GitHubApi> {
  const pages: Page[] = [];
  const requests: string[] = [];
  const calls: GitHubCall[] = [];
  const contents = new Map<number, Buffer>();
  let id = 1;
  const server = createServer((incoming, response) => {
    void (async () => {
      const url = new URL(incoming.url!, 'http://x');
      requests.push(`${incoming.method} ${url.pathname}${url.search}`);
      const bytes = await read(incoming);
      const contentType = incoming.headers['content-type']?.split(';')[0];
      const call: GitHubCall = {
        method: incoming.method!,
        path: url.pathname,
        query: Object.fromEntries(url.searchParams),
        contentType,
        ...(contentType === 'application/json' ? { json: JSON.parse(bytes.toString('utf8')) as unknown } : {}),
      };
      const answer = (status: number, value?: unknown) => {
        // The sum beside an asset is for tests.
        const text =
          value === undefined
            ? undefined
            : JSON.stringify(value, (key, each: unknown) => (key === 'sha256' ? undefined : each));
        calls.push({
          ...call,
          answer: { status, json: text === undefined ? undefined : (JSON.parse(text) as unknown) },
        });
        response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
        response.end(text);
      };
      // As everyone fetches the files of a published release.
      const [, tag, file] = /^\/acme\/app\/releases\/download\/([^/]+)\/([^/]+)$/.exec(url.pathname) ?? [];
      if (tag !== undefined) {
        const shown = pages.find((one) => !one.draft && one.tag_name === decodeURIComponent(tag));
        const found = contents.get(shown?.assets.find(({ name }) => name === decodeURIComponent(file!))?.id ?? 0);
        response.writeHead(found === undefined ? 404 : 200, { 'content-length': found?.length ?? 0 });
        return response.end(found);
      }
      if (incoming.headers.authorization !== `token ${token}`) return answer(401, { message: 'Bad credentials' });
      const [, kind, number] = /^\/repos\/acme\/app\/releases(?:\/(assets\/)?(\d+))?/.exec(url.pathname) ?? [];
      const page = pages.find((one) => one.id === Number(number));
      const json = () => JSON.parse(bytes.toString('utf8')) as Partial<Page>;
      if (incoming.method === 'GET' && url.pathname.endsWith('/releases')) {
        return answer(200, Number(url.searchParams.get('page') ?? 1) === 1 ? pages : []);
      }
      if (incoming.method === 'POST' && url.pathname.endsWith('/releases')) {
        const made: Page = {
          id: id++,
          tag_name: json().tag_name!,
          name: json().name ?? '',
          body: json().body ?? '',
          draft: json().draft ?? false,
          prerelease: json().prerelease ?? false,
          html_url: `https://github.com/acme/app/releases/tag/${json().tag_name}`,
          upload_url: '',
          assets: [],
        };
        made.upload_url = `${api.url}/repos/acme/app/releases/${made.id}/assets{?name,label}`;
        pages.push(made);
        return answer(201, made);
      }
      if (kind !== undefined && incoming.method === 'DELETE') {
        for (const one of pages) one.assets = one.assets.filter((asset) => asset.id !== Number(number));
        return answer(204);
      }
      if (page === undefined) return answer(404, { message: 'Not Found' });
      if (url.pathname.endsWith('/assets') && incoming.method === 'GET') return answer(200, page.assets);
      if (url.pathname.endsWith('/assets') && incoming.method === 'POST') {
        if (api.failUploads > 0) {
          api.failUploads -= 1;
          // GitHub keeps the name of what broke off: `open` in its schema, `starter` in the text beside it.
          page.assets = page.assets.filter((asset) => asset.name !== nameOf(url));
          page.assets.push({ id: id++, name: nameOf(url), size: 0, state: 'open', sha256: '', digest: null });
          return answer(502, { message: 'Server Error' });
        }
        if (Number(incoming.headers['content-length']) !== bytes.length) return answer(400, { message: 'Bad Size' });
        const name = nameOf(url);
        if (page.assets.some((asset) => asset.name === name)) return answer(422, { message: 'already_exists' });
        const sha256 = createHash('sha256').update(bytes).digest('hex');
        const digest = `sha256:${sha256}`;
        const at = `${api.url}/acme/app/releases/download/${encodeURIComponent(page.tag_name)}/${encodeURIComponent(name)}`;
        const about = { id: id++, name, size: bytes.length, state: 'uploaded' as const };
        page.assets.push({ ...about, sha256, digest, browser_download_url: at });
        contents.set(about.id, bytes);
        return answer(201, page.assets.at(-1));
      }
      if (incoming.method === 'PATCH') {
        Object.assign(page, json());
        return answer(200, page);
      }
      return answer(405, { message: 'no such method' });
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const api: GitHubApi = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    pages,
    requests,
    calls,
    failUploads: 0,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  return api;
}

/** As GitHub lists it: `1.0.0~rc.1` becomes `1.0.0.rc.1`. */
function nameOf(url: URL): string {
  return url.searchParams.get('name')!.replaceAll(/[^\w.+-]/g, '.');
}

async function read(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
