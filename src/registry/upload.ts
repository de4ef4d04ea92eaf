import type { Readable } from 'node:stream';
import { BrokenContent } from '../oci/broken-content.ts';
import { verifying } from '../oci/verify.ts';
import type { BlobSource } from '../store/layer-store.ts';
import { pushScope } from './authorization.ts';
import { RegistryError } from './error.ts';
import { withRetry } from './retry.ts';
import type { Transport } from './transport.ts';

/** GHCR refuses a PATCH with more (416). Bytes. */
const piece = 4 * 1024 * 1024;
/** Above this a cut upload goes on in pieces, which can be resumed, instead of from its start. Bytes. */
const worthResuming = 16 * 1024 * 1024;
/** A registry may move a large blob from one place to another before it answers. Milliseconds. */
const commitTimeout = 600_000;

/**
 * Uploads a blob that the registry does not have: in one PUT; in pieces where the registry or a proxy before it refuses
 * so many bytes at once, or once the connection was cut. `present` asks whether it is there after all: a try whose
 * answer was lost may have arrived. `session` is an upload that a refused mount opened.
 */
export async function uploadBlob(
  transport: Transport,
  repository: string,
  blob: BlobSource,
  options: { session?: URL | undefined; signal?: AbortSignal | undefined; present: () => Promise<boolean> },
): Promise<void> {
  let inPieces = false;
  let session = options.session;
  const { signal, present } = options;
  const send = async (how: typeof sendWhole, location: URL): Promise<void> => {
    try {
      await how(transport, repository, blob, location, signal);
    } catch (error) {
      // The session is gone, with the connection or because it did its work: the next try asks, and opens a new one.
      if (error instanceof RegistryError && (error.missing || error.has('BLOB_UPLOAD_UNKNOWN'))) {
        throw asTemporary(error);
      }
      throw error;
    }
  };
  await withRetry({ policy: transport.retry, signal, onRetry: transport.onRetry }, async (attempt) => {
    if (attempt > 0 && (await present())) return;
    const location = session ?? (await openSession(transport, repository, signal));
    session = undefined;
    if (inPieces) return send(sendPieces, location);
    try {
      await send(sendWhole, location);
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      const tooMuch = error.status === 413 || error.status === 416;
      if (tooMuch && blob.size > piece) {
        inPieces = true;
        return send(sendPieces, await openSession(transport, repository, signal));
      }
      if (error.status === undefined && blob.size > worthResuming) inPieces = true;
      throw error;
    }
  });
}

export async function openSession(transport: Transport, repository: string, signal?: AbortSignal): Promise<URL> {
  const answer = await transport.ask({
    method: 'POST',
    to: `/v2/${repository}/blobs/uploads/`,
    scopes: [pushScope(repository)],
    headers: { 'content-length': '0' },
    accept: [202],
    signal,
  });
  return locationOf(answer);
}

/** An upload that nobody ends stays open for a week or more. Not every registry lets one be ended this way. */
export async function cancelUpload(
  transport: Transport,
  repository: string,
  to: URL,
  signal: AbortSignal | undefined,
): Promise<void> {
  const scopes = [pushScope(repository)];
  const answer = await transport
    .once({ method: 'DELETE', to, scopes, accept: [200, 202, 204], signal })
    .catch(() => undefined);
  await answer?.body.dump().catch(() => {});
}

/** Where the upload goes on. A session in the clear is not followed from a registry that speaks TLS. */
export function locationOf(answer: { headers: Record<string, string | string[] | undefined>; url: URL }): URL {
  const location = answer.headers['location'];
  const wrong = (text: string) => new RegistryError({ method: 'POST', url: answer.url, text });
  if (typeof location !== 'string') throw wrong('it opened an upload without a Location');
  let url: URL;
  try {
    url = new URL(location, answer.url);
  } catch {
    throw wrong('it opened an upload at a Location that is no URL');
  }
  // A registry behind a proxy that ends TLS may not know that it is reached by https.
  if (answer.url.protocol === 'https:' && url.protocol === 'http:' && url.hostname === answer.url.hostname) {
    url = new URL(url.href.replace(/^http:\/\/[^/]*/, answer.url.origin));
  }
  if (answer.url.protocol === 'https:' && url.protocol !== 'https:') throw wrong('it opened an upload away from TLS');
  return url;
}

async function sendWhole(
  transport: Transport,
  repository: string,
  blob: BlobSource,
  location: URL,
  signal: AbortSignal | undefined,
): Promise<void> {
  let wrong: Error | undefined;
  let source: Readable | undefined;
  try {
    const answer = await transport.once({
      method: 'PUT',
      to: withDigest(location, blob.digest),
      scopes: [pushScope(repository)],
      headers: { 'content-type': 'application/octet-stream', 'content-length': String(blob.size) },
      body: () => {
        source?.destroy();
        const from = blob.open();
        const checked = verifying(blob, (because) => unusable(blob, because));
        source = checked;
        from.on('error', (error) => {
          wrong ??= error;
          checked.destroy(error);
        });
        checked.on('error', (error) => (wrong ??= error));
        checked.on('close', () => from.destroy());
        return from.pipe(checked);
      },
      accept: [201, 204],
      signal,
      headersTimeout: commitTimeout,
    });
    await answer.body.dump().catch(() => {});
  } catch (error) {
    // What was to be sent cannot be read or is not what it was said to be: the registry is not at fault.
    if (wrong !== undefined && !isAbort(wrong)) throw wrong;
    throw error;
  } finally {
    source?.destroy();
  }
}

/** OCI distribution spec, "Pushing a blob in chunks". Goes on where the registry says it is after a cut. */
async function sendPieces(
  transport: Transport,
  repository: string,
  blob: BlobSource,
  start: URL,
  signal: AbortSignal | undefined,
): Promise<void> {
  const scopes = [pushScope(repository)];
  let location = start;
  let offset = 0;
  let furthest = 0;
  let stuck = { at: -1, times: 0 };
  let reader = pieces(blob.open(), piece);
  try {
    while (offset < blob.size) {
      const { value: bytes } = await reader.next();
      if (bytes === undefined) throw unusable(blob, `it ends after ${offset} of ${blob.size} bytes`);
      const from = offset;
      let resumed: number | undefined;
      await withRetry({ policy: transport.retry, signal, onRetry: transport.onRetry }, async (attempt) => {
        if (attempt > 0) {
          const state = await uploadState(transport, location, scopes, signal);
          location = state.location;
          if (state.received !== from) {
            resumed = state.received;
            return;
          }
        }
        const answer = await transport.once({
          method: 'PATCH',
          to: location,
          scopes,
          headers: {
            'content-type': 'application/octet-stream',
            'content-length': String(bytes.length),
            'content-range': `${from}-${from + bytes.length - 1}`,
          },
          body: () => bytes,
          accept: [202, 204],
          signal,
        });
        await answer.body.dump().catch(() => {});
        location = locationOf(answer);
      });
      furthest = Math.max(furthest, from);
      if (resumed === undefined) {
        offset = from + bytes.length;
      } else if (resumed === from + bytes.length) {
        offset = resumed;
      } else {
        stuck = { at: furthest, times: furthest > stuck.at ? 1 : stuck.times + 1 };
        if (stuck.times >= transport.retry.attempts) {
          const text = `it has ${resumed} bytes of an upload of which it had ${furthest}`;
          throw new RegistryError({ method: 'PATCH', url: location, text });
        }
        await reader.return(undefined);
        offset = resumed;
        reader = pieces(blob.open(offset), piece);
      }
    }
  } finally {
    await reader.return(undefined);
  }
  await transport.ask({
    method: 'PUT',
    to: withDigest(location, blob.digest),
    scopes,
    headers: { 'content-length': '0' },
    accept: [201, 204],
    signal,
    headersTimeout: commitTimeout,
  });
}

/** How many bytes of an upload have arrived. OCI distribution spec: `Range: 0-<last>`; distribution says 0-0 for none. */
async function uploadState(
  transport: Transport,
  location: URL,
  scopes: string[],
  signal: AbortSignal | undefined,
): Promise<{ received: number; location: URL }> {
  const answer = await transport.ask({ method: 'GET', to: location, scopes, accept: [204, 202, 200], signal });
  const last = /^(?:bytes=)?0-(\d+)$/.exec(String(answer.headers['range'] ?? ''))?.[1];
  const next = answer.headers['location'] === undefined ? location : locationOf(answer);
  return { received: last === undefined || last === '0' ? 0 : Number(last) + 1, location: next };
}

/** The stream in buffers of that many bytes; the last may be shorter. */
async function* pieces(stream: Readable, size: number): AsyncGenerator<Uint8Array, void> {
  let waiting: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    let rest = chunk as Uint8Array;
    while (length + rest.length >= size) {
      const fits = rest.subarray(0, size - length);
      rest = rest.subarray(fits.length);
      yield Buffer.concat([...waiting, fits]);
      waiting = [];
      length = 0;
    }
    if (rest.length > 0) waiting.push(rest);
    length += rest.length;
  }
  if (length > 0) yield Buffer.concat(waiting);
}

function withDigest(location: URL, digest: string): URL {
  const url = new URL(location);
  url.searchParams.set('digest', digest);
  return url;
}

function unusable(blob: BlobSource, because: string): BrokenContent {
  return new BrokenContent({ doing: `uploading ${blob.digest}`, because, fix: 'build the layer again' });
}

function isAbort(error: Error): boolean {
  return error.name === 'AbortError' || (error as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE';
}

function asTemporary(error: RegistryError): RegistryError {
  const { method, status, codes } = error;
  return new RegistryError({ method, url: new URL(error.url), status, codes, temporary: true, cause: error });
}
