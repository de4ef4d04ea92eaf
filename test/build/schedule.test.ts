import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Failure, Failures } from '../../src/failure.ts';
import { runTasks, type Task } from '../../src/build/schedule.ts';

function tasks(needs: Record<string, string[]>, log: string[], fail: string[] = []): Task[] {
  return Object.entries(needs).map(([key, below]) => ({
    key,
    needs: below,
    async run() {
      log.push(`+${key}`);
      await sleep(5);
      if (fail.includes(key)) throw new Error(`${key} fails`);
      log.push(`-${key}`);
    },
  }));
}

describe('the order of builds', () => {
  it('starts each when what it needs is done, and no more at once than allowed', async () => {
    const log: string[] = [];
    await runTasks(tasks({ a: ['saved'], b: ['a'], c: ['a'], d: ['a'], e: ['b', 'c', 'd'] }, log), 2);
    expect(log.slice(0, 2)).toEqual(['+a', '-a']);
    expect(log.slice(-2)).toEqual(['+e', '-e']);
    let running = 0;
    for (const entry of log) {
      running += entry.startsWith('+') ? 1 : -1;
      expect(running).toBeLessThanOrEqual(2);
    }
  });

  it('lets those under way end after a failure, starts no other, and throws it', async () => {
    const log: string[] = [];
    await expect(runTasks(tasks({ a: [], b: [], c: ['b'], d: [] }, log, ['a']), 2)).rejects.toThrow('a fails');
    expect(log).toEqual(['+a', '+b', '-b']);
  });

  const failing = (...errors: Error[]) =>
    runTasks(
      errors.map((error, index) => ({ key: `${index}`, needs: [], run: () => Promise.reject(error) })),
      errors.length,
    ).catch((error: unknown) => error);
  const failure = (because: string) => new Failure({ doing: 'building', because });

  it('throws every failure of those that ran side by side', async () => {
    const error = await failing(failure('no room'), failure('no gcc'));
    expect(error).toBeInstanceOf(Failures);
    expect((error as Failures).failures.map(({ because }) => because)).toEqual(['no room', 'no gcc']);
  });

  it('throws a defect beside the failures, and what all were stopped by once', async () => {
    const defect = new TypeError('undefined');
    expect(await failing(failure('no room'), defect)).toMatchObject({ errors: [{ because: 'no room' }, defect] });
    expect(await failing(defect, defect)).toBe(defect);
  });
});
