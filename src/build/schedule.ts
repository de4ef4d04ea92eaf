import { Failure, Failures } from '../failure.ts';

/** Something to do once that which it needs is done. */
export interface Task {
  key: string;
  /** Keys of other tasks. */
  needs: readonly string[];
  run(): Promise<void>;
}

/**
 * Runs each task as soon as what it needs is done, at most `atOnce` at a time, in the given order where there is a choice.
 * After a failure no further one starts; those under way end, so that their work counts. Throws the failure; where there
 * are several, Failures, or an AggregateError where one of them is no Failure.
 */
export async function runTasks(tasks: readonly Task[], atOnce: number): Promise<void> {
  const waiting = [...tasks];
  const keys = new Set(tasks.map(({ key }) => key));
  const done = new Set<string>();
  const running = new Set<Promise<void>>();
  const failures: unknown[] = [];
  while (waiting.length > 0 || running.size > 0) {
    while (failures.length === 0 && running.size < atOnce) {
      const at = waiting.findIndex(({ needs }) => needs.every((key) => done.has(key) || !keys.has(key)));
      if (at < 0) break;
      const [task] = waiting.splice(at, 1) as [Task];
      const work: Promise<void> = task
        .run()
        .then(() => void done.add(task.key))
        .catch((error: unknown) => void failures.push(error))
        .finally(() => running.delete(work));
      running.add(work);
    }
    if (running.size === 0) break;
    await Promise.race(running);
  }
  if (failures.length > 0) throw together(failures);
}

/** Tasks that are stopped by one signal all throw its reason. */
function together(failures: readonly unknown[]): unknown {
  const distinct = [...new Set(failures)].flatMap((one): readonly unknown[] =>
    one instanceof Failures ? one.failures : [one],
  );
  if (distinct.length === 1) return distinct[0];
  return distinct.every((one) => one instanceof Failure) ? new Failures(distinct) : new AggregateError(distinct);
}
