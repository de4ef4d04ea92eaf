/**
 * Does jobs in their order, several at a time: together they take at most `slots`; one that takes more is done alone.
 * The results come in the order of the jobs. After the first failure none is begun, those under way are told to stop,
 * and the failure is thrown when they have.
 */
export async function sideBySide<J, R>(
  jobs: readonly J[],
  slots: number,
  slotsOf: (job: J) => number,
  work: (job: J, signal: AbortSignal) => Promise<R>,
  signal?: AbortSignal,
): Promise<R[]> {
  const stop = new AbortController();
  const stopAll = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const results: R[] = [];
  const running = new Map<number, { done: Promise<void>; slots: number }>();
  const failures: unknown[] = [];
  const taken = () => [...running.values()].reduce((sum, each) => sum + each.slots, 0);
  for (const [index, job] of jobs.entries()) {
    const needed = Math.min(slots, slotsOf(job));
    while (taken() + needed > slots) await Promise.race([...running.values()].map(({ done }) => done));
    if (stopAll.aborted) break;
    const keep = (result: R) => void (results[index] = result);
    const fail = (error: unknown) => {
      failures.push(error);
      stop.abort(error);
    };
    const done = work(job, stopAll)
      .then(keep, fail)
      .then(() => void running.delete(index));
    running.set(index, { done, slots: needed });
  }
  await Promise.all([...running.values()].map(({ done }) => done));
  if (failures.length > 0) throw failures[0];
  signal?.throwIfAborted();
  return results;
}
