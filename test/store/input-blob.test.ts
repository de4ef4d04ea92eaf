import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { packInputs, unpackInputs } from '../../src/store/input-blob.ts';

function endless(first: Uint8Array): Readable {
  return new Readable({
    read() {
      this.push(Buffer.concat([first, Buffer.alloc(100_000)]));
    },
  });
}

it('a stream that holds no list of inputs is closed', async () => {
  const garbage = endless(Buffer.from('no zstd'));
  await expect(unpackInputs(garbage)).rejects.toThrow();
  expect(garbage.destroyed).toBe(true);
  const lines = endless(await packInputs([{ text: 'kind is missing' } as never]));
  await expect(unpackInputs(lines)).rejects.toThrow(/not an input|JSON/);
  expect(lines.destroyed).toBe(true);
});
