import type { Readable } from 'node:stream';
import { request, type Dispatcher } from 'undici';
import { sharedDispatcher } from '../registry/dispatcher.ts';
import { errorOf, RegistryError } from '../registry/error.ts';
import { receive, type Received } from '../registry/received.ts';

export interface HttpOptions {
  dispatcher?: (host: string) => Dispatcher;
  /** Milliseconds: until the headers of an answer, and between two pieces of a body. */
  headersTimeout?: number;
  bodyTimeout?: number;
}

export interface HttpAnswer {
  status: number;
  /** One value each; of several, as HTTP joins them. */
  header(name: string): string | undefined;
  body: Received;
  /** Where it came from, after redirects. */
  url: URL;
}

const mostRedirects = 10;
const timeout = 60_000;

/**
 * One GET, whose redirects are followed, but never away from TLS. Statuses in `accept` are answers; any other, and no
 * answer at all, throws a RegistryError, which says whether trying again may help and holds no secret of the URL.
 */
export async function get(
  start: URL,
  headers: Readonly<Record<string, string>>,
  accept: readonly number[],
  options: HttpOptions,
  signal: AbortSignal | undefined,
): Promise<HttpAnswer> {
  let url = start;
  for (let hop = 0; ; hop++) {
    const answer = await send(url, headers, options, signal);
    const { statusCode: status } = answer;
    const header = (name: string) => {
      const value = answer.headers[name];
      return Array.isArray(value) ? value.join(', ') : value;
    };
    const location = header('location');
    if (![301, 302, 303, 307, 308].includes(status) || location === undefined) {
      if (accept.includes(status)) return { status, header, body: receive(answer.body), url };
      throw errorOf('GET', url, status, answer.headers, await beginning(answer.body));
    }
    await answer.body.dump({ limit: 64 * 1024 }).catch(() => {});
    const wrong = (text: string) => new RegistryError({ method: 'GET', url, text });
    const next = URL.parse(location, url.href);
    if (next === null) throw wrong('it redirects to what is no URL');
    if (next.protocol !== 'https:' && next.protocol !== url.protocol) {
      throw wrong(`it redirects to ${next.protocol}//, away from TLS`);
    }
    if (hop === mostRedirects) throw wrong('it redirects without end');
    url = next;
  }
}

async function send(
  url: URL,
  headers: Readonly<Record<string, string>>,
  options: HttpOptions,
  signal: AbortSignal | undefined,
): Promise<Dispatcher.ResponseData> {
  try {
    return await request(url, {
      // Bytes as they are: what a server compresses on the way has another sum.
      headers: { 'user-agent': 'imgbuild', 'accept-encoding': 'identity', ...headers },
      dispatcher: (options.dispatcher ?? sharedDispatcher)(url.host),
      headersTimeout: options.headersTimeout ?? timeout,
      bodyTimeout: options.bodyTimeout ?? timeout,
      ...(signal !== undefined && { signal }),
    });
  } catch (cause) {
    signal?.throwIfAborted();
    throw new RegistryError({ method: 'GET', url, cause });
  }
}

/** Of an error's body, which may be a page. */
async function beginning(body: Readable): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of body) {
      chunks.push(chunk as Uint8Array);
      size += (chunk as Uint8Array).length;
      if (size > 4096) break;
    }
  } catch {
    // The status says enough.
  }
  return Buffer.concat(chunks);
}

/** RFC 9110, 13.1.5: If-Range takes no weak ETag. */
export function validatorOf(answer: HttpAnswer): string | undefined {
  const tag = answer.header('etag');
  if (tag !== undefined) return /^"[^"]*"$/.test(tag) ? tag : undefined;
  return answer.header('last-modified');
}

/** What it says of the length of its body, in bytes; undefined where it says none. */
export function lengthOf(answer: HttpAnswer): number | undefined {
  const text = answer.header('content-length') ?? '';
  const length = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(length) ? length : undefined;
}
