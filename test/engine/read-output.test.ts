import { expect, test } from 'vitest';
import { readOutput } from '../../src/engine/docker-client.ts';
import { startProgram } from '../../src/process/start.ts';

const first = async (stdout: AsyncIterable<Buffer>) => {
  for await (const chunk of stdout) return chunk.toString().slice(0, 2);
  return '';
};

test('a reader that gives up in the middle ends the program, and its error tells why', async () => {
  const endless = startProgram('yes', []);
  const reading = readOutput(endless, 'reading', async (stdout) => {
    // As a reader that keeps the iterator: nothing closes the stream by itself.
    await stdout[Symbol.asyncIterator]().next();
    throw new Error('the disk is full');
  });
  await expect(reading).rejects.toThrow('the disk is full');
  expect(endless.pid).toBeDefined();
  expect(() => process.kill(endless.pid!, 0)).toThrow();
});

test('a program that fails tells why itself, whatever its reader makes of what it wrote', async () => {
  const failing = startProgram('sh', ['-c', 'echo part; echo no such image >&2; exit 1']);
  const reading = readOutput(failing, 'saving it', async (stdout) => {
    for await (const _ of stdout);
    throw new Error('cut off');
  });
  await expect(reading).rejects.toMatchObject({ doing: 'saving it', because: 'no such image' });
});

test('what the reader makes of it is returned', async () => {
  expect(await readOutput(startProgram('echo', ['ok']), 'reading', first)).toBe('ok');
});

test('a reader that has seen enough does not keep the program from ending', async () => {
  const program = startProgram('sh', ['-c', 'printf archive; sleep 0.2; printf padding']);
  const reading = readOutput(program, 'reading', async (stdout) => {
    // As a reader of a tar, which stops at its end and leaves the iterator where it is.
    const { value } = await stdout[Symbol.asyncIterator]().next();
    return String(value);
  });
  expect(await reading).toBe('archive');
  expect(await program.exited).toBe(0);
});
