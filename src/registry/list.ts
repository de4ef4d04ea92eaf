import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { mediaType } from '../oci/media-type.ts';
import { parseManifest } from '../oci/parse-manifest.ts';
import { pullScope } from './authorization.ts';
import { RegistryError } from './error.ts';
import type { Fetcher } from './fetcher.ts';
import { contentType, type Answer, type Call } from './transport.ts';

/** Bytes of one page. */
const largestPage = 16 * 1024 * 1024;

/** All tags of a repository, sorted; none where it is missing. */
export async function tagsOf(fetcher: Fetcher, repository: string): Promise<string[]> {
  const doing = `listing the tags of ${fetcher.named(repository)}`;
  const tags: string[] = [];
  let to: string | URL | undefined = `/v2/${repository}/tags/list?n=1000`;
  while (to !== undefined) {
    const call: Call = { method: 'GET', to, scopes: [pullScope(repository)], accept: [200], most: largestPage };
    const answer: Answer | undefined = await fetcher.read(doing, call, repository);
    if (answer === undefined) break;
    const page = pageOf(fetcher, doing, answer);
    // A repository whose last tag was deleted says null.
    if (Array.isArray(page['tags'])) tags.push(...page['tags'].filter((tag) => typeof tag === 'string'));
    to = nextPage(answer);
  }
  return [...new Set(tags)].toSorted();
}

/** Every repository; undefined when the registry gives no catalog, or not to us. */
export async function catalogOf(fetcher: Fetcher): Promise<string[] | undefined> {
  const doing = `listing the repositories of ${fetcher.registry}`;
  const names: string[] = [];
  let to: string | URL | undefined = '/v2/_catalog?n=1000';
  while (to !== undefined) {
    let answer: Answer;
    try {
      answer = await fetcher.transport.exchange({
        method: 'GET',
        to,
        scopes: ['registry:catalog:*'],
        accept: [200],
        most: largestPage,
      });
    } catch (error) {
      const refused =
        error instanceof RegistryError && (error.denied || [400, 404, 405, 501].includes(error.status ?? 0));
      if (refused) return undefined;
      throw fetcher.failure(doing, error, 'pull');
    }
    const page = pageOf(fetcher, doing, answer);
    if (Array.isArray(page['repositories'])) {
      names.push(...page['repositories'].filter((name) => typeof name === 'string'));
    }
    to = nextPage(answer);
  }
  return [...new Set(names)].toSorted();
}

/**
 * What names the manifest as its subject, by the registry's own list. Undefined where it keeps none. Distribution spec
 * 1.1, "Listing Referrers".
 */
export async function referrersOf(
  fetcher: Fetcher,
  repository: string,
  subject: Digest,
  signal?: AbortSignal,
): Promise<Descriptor[] | undefined> {
  const doing = `listing the referrers of ${fetcher.named(repository, subject)}`;
  const found: Descriptor[] = [];
  let to: string | URL | undefined = `/v2/${repository}/referrers/${subject}`;
  while (to !== undefined) {
    const call: Call = {
      method: 'GET',
      to,
      scopes: [pullScope(repository)],
      accept: [200],
      most: largestPage,
      signal,
    };
    const answer = await fetcher.transport.exchange(call).catch((error: unknown) => {
      if (!(error instanceof RegistryError)) throw error;
      if ([400, 404, 405, 501].includes(error.status ?? 0)) return undefined;
      if (error.denied) return fetcher.readAsWriter(doing, call, repository, error);
      throw fetcher.failure(doing, error, 'pull');
    });
    // Some registries answer what they do not know with a page of another kind.
    if (answer === undefined || contentType(answer) !== mediaType.index) return undefined;
    try {
      const page = parseManifest(answer.bytes, mediaType.index);
      if (page.kind === 'index') found.push(...page.manifest.manifests);
    } catch (error) {
      throw fetcher.broken(doing, (error as Error).message);
    }
    to = nextPage(answer);
  }
  return found;
}

function pageOf(fetcher: Fetcher, doing: string, answer: Answer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(answer.bytes));
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Said below.
  }
  throw fetcher.broken(doing, `${answer.url.host} does not answer with a JSON object`);
}

/** RFC 8288: `</v2/…?last=x&n=1000>; rel="next"`. Only within the registry. */
function nextPage(answer: Answer): URL | undefined {
  const link = answer.headers['link'];
  const target = /<([^>]+)>\s*;[^,]*rel="?next"?/i.exec(String(link ?? ''))?.[1];
  if (target === undefined) return undefined;
  const url = new URL(target, answer.url);
  return url.origin === answer.url.origin ? url : new URL(`${url.pathname}${url.search}`, answer.url.origin);
}
