import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../failure.ts';
import { parseRetryAfter } from '../registry/error.ts';

export interface PackageVersion {
  id: number;
  /** `sha256:…` of the manifest. */
  digest: string;
  tags: string[];
  updatedAt: string;
}

export interface GhcrPackages {
  /** Paths of the owner's container packages: `acme/ccai/service`. */
  list(): Promise<string[]>;
  /** Empty when there is no such package. */
  versions(path: string): Promise<PackageVersion[]>;
  /** Why GitHub keeps it; undefined when it is deleted (or was gone). */
  remove(path: string, id: number): Promise<string | undefined>;
}

export interface GhcrOptions {
  /** The first part of the store's path. */
  owner: string;
  token: string;
  fetch?: typeof fetch;
  /** `https://api.github.com`, or GITHUB_API_URL on another server. */
  api?: string;
  /** Ends requests and the pauses between them. */
  signal?: AbortSignal;
}

const pageSize = 100;
const attempts = 4;
/** Milliseconds: a longer pause that GitHub asks for is told as an error. */
const patience = 120_000;

/**
 * GitHub's REST API for packages, the only way to delete images from ghcr.io. A version is a manifest with all its tags.
 * https://docs.github.com/rest/packages/packages
 */
export function ghcrPackages(options: GhcrOptions): GhcrPackages {
  const { owner, token, api = 'https://api.github.com', signal } = options;
  const send = options.fetch ?? fetch;
  let base: Promise<string> | undefined;

  const call = async (method: 'GET' | 'DELETE', path: string): Promise<Response> => {
    const headers = {
      accept: 'application/vnd.github+json',
      authorization: `Bearer ${token}`,
      'x-github-api-version': '2022-11-28',
    };
    for (let attempt = 1; ; attempt++) {
      const answer = await send(`${api}${path}`, { method, headers, signal: signal ?? null }).catch(
        (cause: unknown) => {
          signal?.throwIfAborted();
          throw failure(method, path, 'it cannot be reached', 'see that GitHub can be reached from here', cause);
        },
      );
      const again = answer.status === 429 || answer.status >= 500 || answer.headers.has('retry-after');
      if (!again || attempt === attempts) return answer;
      const pause = parseRetryAfter(answer.headers.get('retry-after') ?? undefined) ?? attempt * 1000;
      if (pause > patience) return answer;
      await answer.arrayBuffer();
      await sleep(pause, undefined, signal && { signal });
    }
  };
  const expectOk = async (method: 'GET' | 'DELETE', path: string, answer: Response): Promise<void> => {
    if (answer.ok) return;
    const { message } = (await answer.json().catch(() => ({}))) as { message?: string };
    const right = method === 'DELETE' ? 'delete:packages' : 'read:packages';
    const fix =
      answer.status === 401 || answer.status === 403
        ? `give GITHUB_TOKEN the right ${right}; in a job, \`permissions: packages: write\` and the Admin role for this repository in the package's settings`
        : 'run it again later';
    throw failure(method, path, `${answer.status}${message === undefined ? '' : ` ${message}`}`, fix);
  };
  const ownerPath = () =>
    (base ??= (async () => {
      const path = `/users/${encodeURIComponent(owner)}`;
      const answer = await call('GET', path);
      await expectOk('GET', path, answer);
      const { type } = (await answer.json()) as { type?: string };
      return type === 'Organization' ? `/orgs/${encodeURIComponent(owner)}` : path;
    })());
  const all = async <T>(path: string): Promise<T[] | undefined> => {
    const found: T[] = [];
    for (let next: string | undefined = path; next !== undefined;) {
      const answer: Response = await call('GET', next);
      if (answer.status === 404) return undefined;
      await expectOk('GET', path, answer);
      found.push(...((await answer.json()) as T[]));
      next = nextPage(answer.headers.get('link'), api, path);
    }
    return found;
  };
  const packagePath = async (path: string) => {
    const name = path.startsWith(`${owner}/`) ? path.slice(owner.length + 1) : path;
    return `${await ownerPath()}/packages/container/${encodeURIComponent(name)}`;
  };

  return {
    async list() {
      const found = await all<{ name: string }>(
        `${await ownerPath()}/packages?package_type=container&per_page=${pageSize}`,
      );
      return (found ?? []).map(({ name }) => `${owner}/${name}`).toSorted();
    },
    async versions(path) {
      interface Version {
        id: number;
        name: string;
        updated_at: string;
        metadata?: { container?: { tags?: string[] } };
      }
      // GitHub describes no sizes of pages for those of a user.
      const size = (await ownerPath()).startsWith('/orgs/') ? `?per_page=${pageSize}` : '';
      const found = await all<Version>(`${await packagePath(path)}/versions${size}`);
      return (found ?? []).map(({ id, name, updated_at: updatedAt, metadata }) => ({
        id,
        digest: name,
        tags: metadata?.container?.tags ?? [],
        updatedAt,
      }));
    },
    async remove(path, id) {
      const target = `${await packagePath(path)}/versions/${id}`;
      const answer = await call('DELETE', target);
      if (answer.status === 404) return undefined;
      if (answer.status === 400 || answer.status === 422) {
        // The last tagged version, or one that many have downloaded.
        const { message } = (await answer.json().catch(() => ({}))) as { message?: string };
        return message ?? `GitHub answers ${answer.status}`;
      }
      await expectOk('DELETE', target, answer);
      return undefined;
    },
  };
}

/**
 * Where the list goes on, below the address of the API; undefined at its end. The token goes nowhere else.
 * https://docs.github.com/rest/using-the-rest-api/using-pagination-in-the-rest-api
 */
function nextPage(link: string | null, api: string, path: string): string | undefined {
  const next = /<([^>]*)>;[^,]*\brel="next"/.exec(link ?? '')?.[1];
  if (next === undefined) return undefined;
  const url = URL.parse(next)?.href;
  const base = new URL(`${api}/`).href;
  if (url?.startsWith(base)) return `/${url.slice(base.length)}`;
  throw failure(
    'GET',
    path,
    'it names a next page on another server',
    'see that GITHUB_API_URL is the address of GitHub',
  );
}

function failure(method: string, path: string, because: string, fix: string, cause?: unknown): Failure {
  return new Failure({ doing: `${method} ${path} of GitHub's packages API`, because, fix, cause });
}
