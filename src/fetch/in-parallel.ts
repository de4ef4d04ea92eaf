/**
 * Runs `work` on every item, so many at once, and returns the outcomes in the items' order. After the first failure no
 * further item begins and the others are told to stop; it is thrown when all of them have ended.
 */
export async function inParallel<T, R>(
  items: readonly T[],
  atOnce: number,
  signal: AbortSignal | undefined,
  work: (item: T, signal: AbortSignal) => Promise<R>,
): Promise<R[]> {
  const stop = new AbortController();
  const both = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const results: R[] = Array.from({ length: items.length });
  let failed: { error: unknown } | undefined;
  let next = 0;
  const worker = async () => {
    while (next < items.length && failed === undefined) {
      const index = next++;
      try {
        both.throwIfAborted();
        results[index] = await work(items[index]!, both);
      } catch (error) {
        failed ??= { error };
        stop.abort(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  signal?.throwIfAborted();
  if (failed !== undefined) throw failed.error;
  return results;
}

/** Lets so many pieces of work run at once; others wait for their turn, in order. */
export function limiter(atOnce: number): <R>(work: () => Promise<R>) => Promise<R> {
  const waiting: (() => void)[] = [];
  let free = atOnce;
  return async (work) => {
    if (free === 0) await new Promise<void>((resolve) => waiting.push(resolve));
    else free--;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free++;
      else next();
    }
  };
}

export type Limiter = ReturnType<typeof limiter>;
