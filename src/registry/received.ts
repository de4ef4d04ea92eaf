import type { Readable } from 'node:stream';

/** Bytes that may wait for the reader. */
const waiting = 1024 * 1024;

/** A body of which nothing is lost that has arrived. To be iterated once, or discarded. */
export interface Received extends AsyncIterable<Uint8Array> {
  /** Ends it, where it is not wanted: the connection with it, since much more may come. */
  discard(): void;
}

/**
 * Takes the chunks of an answer from now on. Iterating the stream itself loses what it has buffered when the connection is
 * cut; here it comes before the error (of a slow reader all but the last 64 KiB), so that each try gets further.
 */
export function receive(body: Readable): Received {
  const queue: Uint8Array[] = [];
  let size = 0;
  let over: { error: Error | undefined } | undefined;
  let wake = () => {};
  const finish = (error?: Error) => {
    over ??= { error };
    wake();
  };
  body.on('data', (chunk: Uint8Array) => {
    queue.push(chunk);
    size += chunk.length;
    if (size >= waiting) body.pause();
    wake();
  });
  body.on('end', () => finish());
  body.on('error', finish);
  body.on('close', () => finish(new Error('the connection was closed')));
  if (body.destroyed) finish(body.errored ?? new Error('the connection was closed'));
  async function* chunks(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        for (let chunk = queue.shift(); chunk !== undefined; chunk = queue.shift()) {
          size -= chunk.length;
          if (size < waiting && body.isPaused()) body.resume();
          yield chunk;
        }
        if (over?.error !== undefined) throw over.error;
        if (over !== undefined) return;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      body.destroy();
    }
  }
  return { [Symbol.asyncIterator]: chunks, discard: () => void body.destroy() };
}
