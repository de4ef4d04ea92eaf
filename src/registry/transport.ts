import type { Readable } from 'node:stream';
import { request, type Dispatcher } from 'undici';
import { Authorization, type Scope } from './authorization.ts';
import { dockerCredentials, type CredentialSource } from './credentials.ts';
import { sharedDispatcher } from './dispatcher.ts';
import { endpointOf, type Endpoint } from './endpoint.ts';
import { errorOf, RegistryError } from './error.ts';
import { defaultRetry, withRetry, type RetryPolicy } from './retry.ts';

export interface TransportOptions {
  credentials?: CredentialSource;
  retry?: RetryPolicy;
  /** Milliseconds: until the headers of an answer, and between two pieces of a body. */
  headersTimeout?: number;
  bodyTimeout?: number;
  dispatcher?: (host: string) => Dispatcher;
  onRetry?: (error: RegistryError, pause: number) => void;
  /** Ends every request that has no signal of its own. */
  signal?: AbortSignal;
}

export interface Call {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** A path below the registry, or a URL that it gave. */
  to: string | URL;
  scopes: readonly Scope[];
  headers?: Record<string, string>;
  /** Made anew for each try. */
  body?: () => Uint8Array | Readable;
  /** Statuses that are answers; any other becomes a RegistryError. */
  accept: readonly number[];
  signal?: AbortSignal | undefined;
  /** Milliseconds; for answers that a registry has to work for. */
  headersTimeout?: number;
  /** Read the body too, up to one byte more than this: a body that is cut is then tried again. */
  most?: number;
}

export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Readable & { dump(options?: { limit: number }): Promise<void>; bytes(): Promise<Uint8Array> };
  /** Where the answer came from, after redirects. */
  url: URL;
  /** The body, where the call asked for it. */
  bytes: Uint8Array;
}

/** An answer's media type, without parameters. */
export function contentType(answer: Answer): string | undefined {
  const value = answer.headers['content-type'];
  return typeof value === 'string' ? value.split(';')[0]!.trim() : undefined;
}

const nothing = new Uint8Array();
const mostRedirects = 5;
const largestErrorBody = 64 * 1024;

/** Requests to one registry: scheme, authorization, redirects, retries. */
export class Transport {
  readonly endpoint: Endpoint;
  readonly #authorization: Authorization;
  readonly #options: TransportOptions;
  readonly #dispatcher: (host: string) => Dispatcher;
  readonly retry: RetryPolicy;
  #base: Promise<URL> | undefined;

  constructor(registry: string, options: TransportOptions = {}) {
    this.endpoint = endpointOf(registry);
    this.#options = options;
    this.#dispatcher = options.dispatcher ?? sharedDispatcher;
    this.#authorization = new Authorization(registry, options.credentials ?? dockerCredentials(), this.#dispatcher);
    this.retry = options.retry ?? defaultRetry;
  }

  get onRetry(): TransportOptions['onRetry'] {
    return this.#options.onRetry;
  }

  /** The call's own signal, else that of every request. */
  bounded(signal: AbortSignal | undefined): AbortSignal | undefined {
    return signal ?? this.#options.signal;
  }

  /** One request, tried again while it fails for a reason that may pass. The caller reads or dumps the body. */
  async exchange(given: Call): Promise<Answer> {
    const call = { ...given, signal: this.bounded(given.signal) };
    return withRetry({ policy: this.retry, signal: call.signal, onRetry: this.onRetry }, async () => {
      const answer = await this.once(call);
      if (call.most === undefined) return answer;
      try {
        return { ...answer, bytes: await readUpTo(answer, call.most + 1) };
      } catch (cause) {
        call.signal?.throwIfAborted();
        throw new RegistryError({ method: call.method, url: answer.url, cause });
      }
    });
  }

  /** As exchange, whose body is not of interest. */
  async ask(call: Call): Promise<Answer> {
    const answer = await this.exchange(call);
    await answer.body.dump({ limit: largestErrorBody }).catch(() => {});
    return answer;
  }

  /** One request, not tried again but for a 401 that tells how to log in. */
  async once(given: Call): Promise<Answer> {
    const call = { ...given, signal: this.bounded(given.signal) };
    const base = await this.#located(call.signal);
    const url = typeof call.to === 'string' ? new URL(call.to, base) : call.to;
    for (let round = 0; ; round++) {
      const own = url.origin === base.origin;
      const sent = own ? await this.#authorization.header(call.scopes, call.signal) : undefined;
      const answer = await this.#follow(call, url, sent);
      if (answer.status === 401 && own && round === 0) {
        const header = answer.headers['www-authenticate'];
        const body = await read(answer);
        if (await this.#authorization.learn(header, call.scopes, sent, base.protocol === 'http:')) continue;
        throw errorOf(call.method, url, answer.status, answer.headers, body);
      }
      if (call.accept.includes(answer.status)) return answer;
      throw errorOf(call.method, answer.url, answer.status, answer.headers, await read(answer));
    }
  }

  /**
   * Whether the token service gives this login a token to push there: where the token tells (a JWT), what it says, else
   * that it was given. False without a token service.
   */
  async mayPush(repository: string, signal?: AbortSignal): Promise<boolean> {
    try {
      return await this.#authorization.mayPush(repository, this.bounded(signal));
    } catch (error) {
      if (error instanceof RegistryError && error.denied) return false;
      throw error;
    }
  }

  async #follow(call: Call, start: URL, authorization: string | undefined): Promise<Answer> {
    let url = start;
    for (let hop = 0; ; hop++) {
      const answer = await this.#send(call, url, url.origin === start.origin ? authorization : undefined);
      const location = answer.headers['location'];
      const moved = [301, 302, 303, 307, 308].includes(answer.status) && typeof location === 'string';
      if (!moved || (call.method !== 'GET' && call.method !== 'HEAD')) return answer;
      await answer.body.dump({ limit: largestErrorBody }).catch(() => {});
      const next = URL.parse(location, url.href);
      if (next === null) {
        throw new RegistryError({ method: call.method, url, text: 'it redirects to what is no URL' });
      }
      if (url.protocol === 'https:' && next.protocol !== 'https:') {
        throw new RegistryError({
          method: call.method,
          url,
          text: `it redirects to ${next.protocol}//, away from TLS`,
        });
      }
      if (hop === mostRedirects)
        throw new RegistryError({ method: call.method, url, text: 'it redirects without end' });
      url = next;
    }
  }

  async #send(call: Call, url: URL, authorization: string | undefined): Promise<Answer> {
    const headers: Record<string, string> = { 'user-agent': 'imgbuild', ...call.headers };
    if (authorization !== undefined) headers['authorization'] = authorization;
    const body = call.body?.();
    try {
      const answer = await request(url, {
        method: call.method,
        headers,
        body: body ?? null,
        dispatcher: this.#dispatcher(url.host),
        headersTimeout: call.headersTimeout ?? this.#options.headersTimeout ?? 60_000,
        bodyTimeout: this.#options.bodyTimeout ?? 60_000,
        ...(call.signal !== undefined && { signal: call.signal }),
      });
      return { status: answer.statusCode, headers: answer.headers, body: answer.body, url, bytes: nothing };
    } catch (cause) {
      call.signal?.throwIfAborted();
      throw new RegistryError({ method: call.method, url, cause });
    }
  }

  /** https, unless the host is this machine or was named as insecure, and speaks no TLS. */
  #located(signal: AbortSignal | undefined): Promise<URL> {
    this.#base ??= this.#locate(signal).catch((error: unknown) => {
      this.#base = undefined;
      throw error;
    });
    return this.#base;
  }

  async #locate(signal: AbortSignal | undefined): Promise<URL> {
    const secure = new URL(`https://${this.endpoint.host}`);
    if (!this.endpoint.plainAllowed) return secure;
    const ping: Call = { method: 'GET', to: '/v2/', scopes: [], accept: [], signal };
    try {
      const answer = await this.#send(ping, new URL('/v2/', secure), undefined);
      await answer.body.dump({ limit: largestErrorBody }).catch(() => {});
      return secure;
    } catch (error) {
      if (error instanceof RegistryError && speaksNoTls(error)) return new URL(`http://${this.endpoint.host}`);
      throw error;
    }
  }
}

function speaksNoTls(error: RegistryError): boolean {
  const { code, message } = error.cause as NodeJS.ErrnoException;
  return (
    code === 'ERR_SSL_WRONG_VERSION_NUMBER' ||
    code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG' ||
    code === 'EPROTO' ||
    code === 'ECONNRESET' ||
    /wrong version number|socket disconnected|other side closed/i.test(message)
  );
}

/** An error's body; the status says enough where it cannot be read. */
async function read(answer: Answer): Promise<Uint8Array> {
  return readUpTo(answer, largestErrorBody).catch(() => nothing);
}

async function readUpTo(answer: Answer, most: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of answer.body) {
    chunks.push(chunk as Uint8Array);
    size += (chunk as Uint8Array).length;
    if (size >= most) break;
  }
  return Buffer.concat(chunks).subarray(0, most);
}
