import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { sideBySide } from '../../src/deb/side-by-side.ts';

/** Does jobs of so many milliseconds, and says which were under way at once. */
async function run(jobs: { takes: number; slots?: number }[], slots: number) {
  const under = new Set<number>();
  const seen: number[][] = [];
  const results = await sideBySide(
    jobs.map((job, index) => ({ ...job, index })),
    slots,
    (job) => job.slots ?? 1,
    async ({ index, takes }) => {
      under.add(index);
      seen.push([...under]);
      await sleep(takes);
      under.delete(index);
      return index;
    },
  );
  return { results, seen };
}

describe('jobs side by side', () => {
  test('take no more than their slots, and come out in order', async () => {
    const { results, seen } = await run([{ takes: 60 }, { takes: 5 }, { takes: 5 }, { takes: 5 }], 2);
    expect(results).toEqual([0, 1, 2, 3]);
    expect(Math.max(...seen.map(({ length }) => length))).toBe(2);
    expect(seen.at(-1)).toEqual([0, 3]);
  });

  test('wait where one needs more slots, even more than there are', async () => {
    const { seen } = await run([{ takes: 5 }, { takes: 5, slots: 9 }, { takes: 5 }], 2);
    expect(seen).toEqual([[0], [1], [2]]);
  });

  test('stop when one fails: none begins, those under way are told, and its failure is thrown', async () => {
    const begun: number[] = [];
    let told = false;
    const work = async (job: number, signal: AbortSignal) => {
      begun.push(job);
      if (job === 1) throw new Error('one');
      await sleep(5000, undefined, { signal }).catch(() => (told = true));
    };
    await expect(sideBySide([0, 1, 2], 2, () => 1, work)).rejects.toThrow('one');
    expect({ begun, told }).toEqual({ begun: [0, 1], told: true });
  });

  test('stop when they are cancelled', async () => {
    const stop = new AbortController();
    const work = async (_: number, signal: AbortSignal) => {
      stop.abort(new Error('cancelled'));
      signal.throwIfAborted();
    };
    await expect(sideBySide([0, 1], 1, () => 1, work, stop.signal)).rejects.toThrow('cancelled');
    const before = AbortSignal.abort(new Error('before'));
    await expect(
      sideBySide(
        [0],
        1,
        () => 1,
        async () => {},
        before,
      ),
    ).rejects.toThrow('before');
    expect(
      await sideBySide(
        [],
        1,
        () => 1,
        async () => {},
      ),
    ).toEqual([]);
  });
});
