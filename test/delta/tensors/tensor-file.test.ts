import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { tensorFileOf } from '../../../src/delta/tensors/tensor-file.ts';
import { sampleTensors, writers, type WrittenTensor } from './models.ts';

const dtypes: WrittenTensor['dtype'][] = ['f32', 'f16', 'bf16', 'i8', 'q8_0'];
const asFile = (bytes: Buffer) => ({
  size: bytes.length,
  read(position: number, length: number, into: Uint8Array) {
    if (position < 0 || position + length > bytes.length) throw new Error('a read beyond the file');
    into.set(bytes.subarray(position, position + length));
  },
});
const widths = { f32: 4, f16: 2, bf16: 2, i8: 1, q8_0: 1 };

describe.each(Object.entries(writers))('%s', (format, write) => {
  const written = sampleTensors(dtypes);
  const bytes = write(written);

  test('every tensor is found, by its name and what its elements are', () => {
    const found = tensorFileOf(asFile(bytes))!;
    expect(found.format).toBe(format);
    expect(found.tensors).toHaveLength(written.length);
    for (const tensor of written) {
      const at = found.tensors.find(({ name }) => name.endsWith(tensor.name))!;
      expect(at.width).toBe(widths[tensor.dtype]);
      expect(bytes.subarray(at.start, at.start + at.size).equals(tensor.bytes)).toBe(true);
    }
  });

  test('a header that is cut off or lies is no error', () => {
    const cut = fc.nat({ max: bytes.length - 1 }).map((size) => bytes.subarray(0, size));
    const flips = fc.array(fc.tuple(fc.nat({ max: 3_000 }), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 });
    const lying = flips.map((list) => {
      const copy = Buffer.from(bytes);
      for (const [at, value] of list) copy[at] = value;
      return copy;
    });
    fc.assert(
      fc.property(fc.oneof(cut, lying), (damaged) => {
        let end = 0;
        for (const { start, size, width } of tensorFileOf(asFile(damaged))?.tensors ?? []) {
          expect(start).toBeGreaterThanOrEqual(end);
          expect(size % width).toBe(0);
          end = start + size;
        }
        expect(end).toBeLessThanOrEqual(damaged.length);
      }),
      { numRuns: 400 },
    );
  });
});

test('what is no model is none', () => {
  const others = [
    '',
    '{}',
    '\x7fELF',
    'GGUF',
    `\x02\0\0\0\0\0\0\0{}`,
    '\x08\x08'.repeat(900),
    '#!/bin/sh\n'.repeat(400),
  ];
  for (const text of others) expect(tensorFileOf(asFile(Buffer.from(text, 'latin1')))).toBeUndefined();
});
