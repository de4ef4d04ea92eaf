import { request, type Dispatcher } from 'undici';
import { parseChallenges, type Challenge } from './challenge.ts';
import type { Credential, CredentialSource } from './credentials.ts';
import { errorOf, RegistryError } from './error.ts';

/** `repository:<name>:pull`, `repository:<name>:pull,push`, `registry:catalog:*`. Distribution, "Token scope". */
export type Scope = string;

export function pullScope(repository: string): Scope {
  return `repository:${repository}:pull`;
}

export function pushScope(repository: string): Scope {
  return `repository:${repository}:pull,push`;
}

interface Token {
  text: string;
  /** Milliseconds since the epoch at which a new one is fetched. */
  renewAt: number;
}

/** A token service that gives no lifetime means 60 seconds. Distribution, "Token response fields". */
const defaultLifetime = 60;

/**
 * What one registry wants to see in Authorization: nothing, a password, or a token of its token service for the scopes
 * of the request. It is learned from the first 401, and credentials go nowhere before that.
 */
export class Authorization {
  readonly #registry: string;
  readonly #credentials: CredentialSource;
  readonly #dispatcher: (host: string) => Dispatcher;
  /** Whether the registry itself is spoken to in plain HTTP: only then may its token service be. */
  #plain = false;
  #challenge: Challenge | undefined;
  #refreshToken: string | undefined;
  readonly #tokens = new Map<string, Promise<Token>>();

  constructor(registry: string, credentials: CredentialSource, dispatcher: (host: string) => Dispatcher) {
    this.#registry = registry;
    this.#credentials = credentials;
    this.#dispatcher = dispatcher;
  }

  /** The header for those scopes; undefined while nothing was asked for. */
  async header(scopes: readonly Scope[], signal?: AbortSignal): Promise<string | undefined> {
    if (this.#challenge === undefined) return undefined;
    if (this.#challenge.scheme === 'basic') {
      const credential = await this.#credentials(this.#registry);
      if (credential?.kind !== 'password') return undefined;
      return `Basic ${Buffer.from(`${credential.user}:${credential.password}`).toString('base64')}`;
    }
    return `Bearer ${(await this.#token(scopes, signal)).text}`;
  }

  /**
   * Learns from a 401. False when another try with the same scopes cannot help: there is no login, or what was sent is
   * what the registry asked for and refused.
   */
  async learn(
    header: string | string[] | undefined,
    scopes: readonly Scope[],
    sent: string | undefined,
    plain: boolean,
  ): Promise<boolean> {
    this.#plain = plain;
    const challenges = parseChallenges(header);
    const bearer = challenges.find(
      ({ scheme, parameters }) => scheme === 'bearer' && parameters['realm'] !== undefined,
    );
    const challenge = bearer ?? challenges.find(({ scheme }) => scheme === 'basic');
    if (challenge === undefined) return false;
    this.#challenge = challenge;
    if (challenge.scheme === 'basic') {
      return sent === undefined && (await this.#credentials(this.#registry))?.kind === 'password';
    }
    // The token may have run out early or lack a right that the registry names: one that was just fetched is no better.
    this.#tokens.delete(keyOf(scopes));
    return true;
  }

  /** Whether the token service gives a token to push there to somebody who is logged in. */
  async mayPush(repository: string, signal?: AbortSignal): Promise<boolean> {
    if (this.#challenge?.scheme !== 'bearer') return false;
    if ((await this.#credentials(this.#registry)) === undefined) return false;
    const { text } = await this.#token([pushScope(repository)], signal);
    const access = accessIn(text);
    if (access === undefined) return true;
    return access.some(({ name, actions }) => name === repository && actions?.includes('push'));
  }

  async #token(scopes: readonly Scope[], signal: AbortSignal | undefined): Promise<Token> {
    const key = keyOf(scopes);
    const known = this.#tokens.get(key);
    if (known !== undefined) {
      const token = await known.catch(() => undefined);
      if (token !== undefined && Date.now() < token.renewAt) return token;
    }
    const fetched = this.#fetch(scopes, signal);
    this.#tokens.set(key, fetched);
    fetched.catch(() => this.#tokens.get(key) === fetched && this.#tokens.delete(key));
    return fetched;
  }

  async #fetch(scopes: readonly Scope[], signal: AbortSignal | undefined): Promise<Token> {
    const { realm, service } = this.#challenge!.parameters;
    const url = this.#realm(realm!);
    const credential = await this.#credentials(this.#registry);
    const identity = this.#refreshToken ?? (credential?.kind === 'identity' ? credential.token : undefined);
    const answer =
      identity === undefined
        ? await this.#get(url, service, scopes, credential, signal)
        : await this.#post(url, service, scopes, identity, signal);
    const text = answer.token || answer.access_token;
    if (typeof text !== 'string' || text === '') {
      throw new RegistryError({ method: 'GET', url, text: 'the token service gave no token' });
    }
    if (typeof answer.refresh_token === 'string' && answer.refresh_token !== '') {
      this.#refreshToken = answer.refresh_token;
    }
    const lifetime =
      typeof answer.expires_in === 'number' && answer.expires_in > 0 ? answer.expires_in : defaultLifetime;
    // A fifth before its end: the request that carries it must still arrive.
    return { text, renewAt: Date.now() + lifetime * 800 };
  }

  /** A hostile registry must not make us send a password in the clear. */
  #realm(realm: string): URL {
    let url: URL;
    try {
      url = new URL(realm);
    } catch {
      const text = 'the registry names no valid URL of its token service';
      throw new RegistryError({ method: 'GET', url: new URL(`https://${this.#registry}/v2/`), text });
    }
    if (url.protocol === 'https:' || (url.protocol === 'http:' && this.#plain)) return url;
    throw new RegistryError({ method: 'GET', url, text: 'the token service is not reached by https' });
  }

  async #get(
    realm: URL,
    service: string | undefined,
    scopes: readonly Scope[],
    credential: Credential | undefined,
    signal: AbortSignal | undefined,
  ): Promise<TokenAnswer> {
    const url = new URL(realm);
    if (service !== undefined) url.searchParams.set('service', service);
    for (const scope of scopes) url.searchParams.append('scope', scope);
    const headers: Record<string, string> = {};
    if (credential?.kind === 'password') {
      url.searchParams.set('account', credential.user);
      headers['authorization'] = `Basic ${Buffer.from(`${credential.user}:${credential.password}`).toString('base64')}`;
    }
    return this.#ask(url, { method: 'GET', headers }, signal);
  }

  /** OAuth 2 with a refresh token. Distribution, "Docker Registry v2 authentication using OAuth2". */
  async #post(
    url: URL,
    service: string | undefined,
    scopes: readonly Scope[],
    identity: string,
    signal: AbortSignal | undefined,
  ): Promise<TokenAnswer> {
    const form = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: identity, client_id: 'imgbuild' });
    if (service !== undefined) form.set('service', service);
    form.set('scope', scopes.join(' '));
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    return this.#ask(url, { method: 'POST', headers, body: form.toString() }, signal);
  }

  async #ask(
    url: URL,
    options: { method: 'GET' | 'POST'; headers: Record<string, string>; body?: string },
    signal: AbortSignal | undefined,
  ): Promise<TokenAnswer> {
    let answer: Dispatcher.ResponseData;
    let body: Uint8Array;
    try {
      answer = await request(url, {
        ...options,
        dispatcher: this.#dispatcher(url.host),
        headersTimeout: 30_000,
        ...(signal !== undefined && { signal }),
      });
      body = await answer.body.bytes();
    } catch (cause) {
      signal?.throwIfAborted();
      throw new RegistryError({ method: options.method, url, cause });
    }
    if (answer.statusCode !== 200) throw errorOf(options.method, url, answer.statusCode, answer.headers, body);
    try {
      return JSON.parse(new TextDecoder().decode(body)) as TokenAnswer;
    } catch {
      throw new RegistryError({ method: options.method, url, text: 'the token service does not answer in JSON' });
    }
  }
}

/** What a token allows, where it is a JWT that says so. Distribution, "Token authentication implementation". */
function accessIn(token: string): { name?: string; actions?: string[] }[] | undefined {
  try {
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as {
      access?: unknown;
    };
    return Array.isArray(claims.access) ? claims.access : undefined;
  } catch {
    return undefined;
  }
}

interface TokenAnswer {
  token?: unknown;
  access_token?: unknown;
  refresh_token?: unknown;
  expires_in?: unknown;
}

function keyOf(scopes: readonly Scope[]): string {
  return [...scopes].toSorted().join(' ');
}
