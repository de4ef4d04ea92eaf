import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { sideBySide } from '../../src/delta/side-by-side.ts';

const steps = async (count: number, onBytes: (bytes: number) => void, log: string[], name: string) => {
  for (let step = 0; step < count; step++) {
    onBytes(1);
    log.push(name);
    await setImmediate();
  }
  return name;
};

test('both go on at the same time, and their bytes are one sum', async () => {
  const log: string[] = [];
  let sum = 0;
  const work = (name: string) => (onBytes: (bytes: number) => void) => steps(3, onBytes, log, name);
  expect(await sideBySide((bytes) => void (sum += bytes), work('a'), work('b'))).toEqual(['a', 'b']);
  expect(sum).toBe(6);
  expect(log.slice(0, 2)).toEqual(['a', 'b']);
});

test.each(['first', 'second'])('where the %s fails, the other has ended when that is thrown', async (which) => {
  const log: string[] = [];
  const failing = async () => {
    await setImmediate();
    throw new Error('damaged');
  };
  const long = (onBytes: (bytes: number) => void) => steps(1000, onBytes, log, 'long');
  const both = which === 'first' ? sideBySide(() => {}, failing, long) : sideBySide(() => {}, long, failing);
  await expect(both).rejects.toThrow('damaged');
  const done = log.length;
  expect(done).toBeLessThan(10);
  await setImmediate();
  expect(log.length).toBe(done);
});
