import { Failure } from '../failure.ts';

/** One entry of a registry's error body. OCI distribution spec, "Error Codes". */
export interface RegistryCode {
  code: string;
  message: string;
}

const temporaryStatuses = new Set([408, 425, 429, 500, 502, 503, 504]);
const temporaryCodes = new Set(['TOOMANYREQUESTS', 'UNAVAILABLE']);

/** How undici, TLS and the system say that trying again may help. */
const temporaryCauses = new Set([
  'UND_ERR_SOCKET',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EAI_AGAIN',
  'ENETUNREACH',
  'EHOSTUNREACH',
]);

/** A request to a registry or its token service that did not get what it asked for. It holds no secret. */
export class RegistryError extends Error {
  readonly method: string;
  /** Without user, password and the values of unknown query parameters. */
  readonly url: string;
  readonly host: string;
  /** Undefined when there was no answer. */
  readonly status: number | undefined;
  readonly codes: readonly RegistryCode[];
  /** Milliseconds that the registry asks to wait. */
  readonly retryAfter: number | undefined;
  readonly temporary: boolean;

  constructor(details: {
    method: string;
    url: URL;
    status?: number | undefined;
    codes?: readonly RegistryCode[];
    text?: string;
    retryAfter?: number | undefined;
    temporary?: boolean;
    cause?: unknown;
  }) {
    const { method, url, status, codes = [], text, cause } = details;
    const told = codes.map(({ code, message }) => (message === '' ? code : `${code}: ${message}`)).join('; ') || text;
    const answer = status === undefined ? (text ?? whyNoAnswer(cause)) : told ? `${status} ${told}` : `${status}`;
    super(`${method} ${redacted(url)}: ${answer}`, cause === undefined ? {} : { cause });
    this.method = method;
    this.url = redacted(url);
    this.host = url.host;
    this.status = status;
    this.codes = codes;
    this.retryAfter = details.retryAfter;
    this.temporary =
      details.temporary ??
      (status === undefined
        ? temporaryCauses.has(codeOf(cause))
        : temporaryStatuses.has(status) || codes.some(({ code }) => temporaryCodes.has(code.toUpperCase())));
  }

  has(code: string): boolean {
    return this.codes.some((each) => each.code === code);
  }

  /** The thing is not there: the store is well. */
  get missing(): boolean {
    return this.status === 404;
  }

  /** There is no right to it; or, where a registry hides what is private, it is not there. */
  get denied(): boolean {
    return this.status === 401 || this.status === 403;
  }
}

/** The error in an answer. Reads at most 64 KiB of its body, which must be a registry's JSON or a short text. */
export function errorOf(
  method: string,
  url: URL,
  status: number,
  headers: Record<string, string | string[] | undefined>,
  body: Uint8Array,
): RegistryError {
  const text = new TextDecoder().decode(body.subarray(0, 64 * 1024));
  const codes = codesIn(text);
  // A proxy's HTML page says nothing to the reader; the first words of a plain text may.
  const plain = text.trimStart().startsWith('<') ? '' : text.trim().replaceAll(/\s+/g, ' ').slice(0, 200);
  const retryAfter = parseRetryAfter(headers['retry-after']);
  return new RegistryError({ method, url, status, codes, text: plain, retryAfter });
}

function codesIn(text: string): RegistryCode[] {
  try {
    const { errors } = JSON.parse(text) as { errors?: unknown };
    if (!Array.isArray(errors)) return [];
    return errors.map((each: { code?: unknown; message?: unknown } | null) => ({
      code: typeof each?.code === 'string' ? each.code : 'UNKNOWN',
      message: typeof each?.message === 'string' ? each.message.slice(0, 300) : '',
    }));
  } catch {
    return [];
  }
}

/** RFC 9110, 10.2.3: seconds or a date; in milliseconds from now. */
export function parseRetryAfter(value: string | string[] | undefined, now = Date.now()): number | undefined {
  if (typeof value !== 'string') return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

const harmless = new Set(['digest', 'mount', 'from', 'n', 'last', 'scope', 'service']);

/** The URL for a message: upload states, signatures and tokens travel in queries. */
export function redacted(url: URL): string {
  const shown = new URL(url);
  shown.username = '';
  shown.password = '';
  for (const key of new Set(shown.searchParams.keys())) if (!harmless.has(key)) shown.searchParams.set(key, 'REDACTED');
  return shown.href.replaceAll('%3A', ':').replaceAll('%2F', '/').replaceAll('%2C', ',');
}

function codeOf(cause: unknown): string {
  if (!(cause instanceof Error)) return '';
  const { code } = cause as NodeJS.ErrnoException;
  if (typeof code === 'string') return code;
  // Several addresses were tried: the first one's reason stands for all.
  if (cause instanceof AggregateError) return codeOf(cause.errors[0]);
  return codeOf(cause.cause);
}

function whyNoAnswer(cause: unknown): string {
  const code = codeOf(cause);
  if (code === 'ENOTFOUND') return 'there is no such host';
  if (code === 'ECONNREFUSED') return 'nobody listens there';
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') return 'it does not answer in time';
  if (code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'ETIMEDOUT') return 'it cannot be reached in time';
  if (code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE') return 'the connection was cut';
  return cause instanceof Error ? cause.message : String(cause);
}

function isCertificateProblem(error: RegistryError): boolean {
  const code = codeOf(error.cause);
  return /CERT|SIGNATURE|VERIFY|SELF_SIGNED|ISSUER/.test(code) && error.status === undefined;
}

/**
 * The Failure that a user sees for an error of a registry. `right` is what the call needed. Its token service or where it
 * redirects to may have said it: a login is the registry's all the same.
 */
export function registryFailure(doing: string, error: unknown, registry: string, right: 'pull' | 'push'): unknown {
  if (!(error instanceof RegistryError)) return error;
  return new Failure({ doing, because: error.message, fix: fixFor(error, registry, right), cause: error });
}

function fixFor(error: RegistryError, registry: string, right: 'pull' | 'push'): string {
  const { host } = error;
  if (error.denied && registry === 'ghcr.io') {
    const needed = right === 'push' ? 'packages: write' : 'packages: read';
    return `give the job \`permissions: ${needed}\` and link the package to this repository (package settings, "Manage Actions access"); at a desk, \`docker login ghcr.io\` with a token that has ${right === 'push' ? 'write:packages' : 'read:packages'}; a pull request from a fork can only read`;
  }
  if (error.denied) {
    return `\`docker login ${registry}\` with an account that may ${right === 'push' ? 'push to' : 'pull from'} this repository`;
  }
  if (error.status === 429)
    return `${host} limits requests: wait, log in with \`docker login ${registry}\`, or run fewer jobs at once`;
  if (error.status === 413) return `a proxy before ${host} refuses bodies of that size: raise its limit`;
  if (isCertificateProblem(error)) {
    return `name the certificate authority of ${host} in a PEM file by NODE_EXTRA_CA_CERTS, or add it to the system's`;
  }
  if (error.status === undefined)
    return `see that ${host} can be reached from here (network, proxy, its name), then run it again`;
  if (error.temporary) return `${host} has trouble: run it again later; nothing that was saved is lost`;
  return `see what ${host} says above`;
}
