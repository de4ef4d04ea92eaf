import { addAbortSignal, pipeline, Readable, type Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Descriptor } from '../oci/descriptor.ts';
import { pullScope } from './authorization.ts';
import { RegistryError } from './error.ts';
import { receive, type Received } from './received.ts';
import { backoff } from './retry.ts';
import type { Answer, Transport } from './transport.ts';

/** An answer with the blob from some byte on. */
type Part = Omit<Answer, 'body'> & { body: Received };

/**
 * A blob from byte `start` on as a stream that goes on by Range where a connection is cut. `checked`: what it flows through,
 * which fails before its end when the bytes are wrong. The first answer has come when this returns: what is missing or
 * refused throws here.
 */
export async function downloadBlob(
  transport: Transport,
  repository: string,
  blob: Pick<Descriptor, 'digest' | 'size'>,
  start: number,
  checked: Duplex,
  failed: (error: unknown) => unknown,
  signal?: AbortSignal,
): Promise<Readable> {
  const first = await open(transport, repository, blob, start, signal);
  const source = Readable.from(bytes(transport, repository, blob, start, first, failed, signal));
  // A reader that leaves before the first byte never starts the generator, which would end the connection.
  checked.once('close', () => first.body.discard());
  pipeline(source, checked, () => {});
  if (signal !== undefined) addAbortSignal(signal, checked);
  return checked;
}

async function open(
  transport: Transport,
  repository: string,
  blob: Pick<Descriptor, 'digest'>,
  offset: number,
  signal: AbortSignal | undefined,
): Promise<Part> {
  const answer = await transport.exchange({
    method: 'GET',
    to: `/v2/${repository}/blobs/${blob.digest}`,
    scopes: [pullScope(repository)],
    // Bytes as they are stored: a proxy that compresses them again would break the digest.
    headers: { 'accept-encoding': 'identity', ...(offset > 0 && { range: `bytes=${offset}-` }) },
    accept: offset > 0 ? [200, 206] : [200],
    signal,
  });
  return { ...answer, body: receive(answer.body) };
}

async function* bytes(
  transport: Transport,
  repository: string,
  blob: Pick<Descriptor, 'digest' | 'size'>,
  start: number,
  first: Part,
  failed: (error: unknown) => unknown,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  let answer = first;
  let offset = start;
  let fruitless = 0;
  for (;;) {
    const before = offset;
    let cut: RegistryError;
    try {
      let skip = answer.status === 206 ? offset - rangeStart(answer, offset) : offset;
      for await (const chunk of answer.body) {
        if (skip >= chunk.length) {
          skip -= chunk.length;
          continue;
        }
        const fresh = chunk.subarray(skip);
        skip = 0;
        offset += fresh.length;
        yield fresh;
      }
      // A whole answer: whether it was long enough is the verifier's to say.
      return;
    } catch (cause) {
      signal?.throwIfAborted();
      cut = cause instanceof RegistryError ? cause : new RegistryError({ method: 'GET', url: answer.url, cause });
    }
    if (offset === blob.size) return;
    fruitless = offset > before ? 0 : fruitless + 1;
    if (!cut.temporary || fruitless >= transport.retry.attempts) throw failed(cut);
    const pause = fruitless === 0 ? 0 : backoff(transport.retry, fruitless);
    transport.onRetry?.(cut, pause);
    await sleep(pause, undefined, signal === undefined ? {} : { signal });
    try {
      answer = await open(transport, repository, blob, offset, signal);
    } catch (error) {
      throw failed(error);
    }
  }
}

/** RFC 9110, 14.4: `bytes 100-199/200`. */
function rangeStart(answer: Part, asked: number): number {
  const start = /^bytes (\d+)-/.exec(String(answer.headers['content-range'] ?? ''))?.[1];
  const found = start === undefined ? asked : Number(start);
  if (found <= asked) return found;
  throw new RegistryError({
    method: 'GET',
    url: answer.url,
    text: `it answers from byte ${found} instead of ${asked}`,
  });
}
