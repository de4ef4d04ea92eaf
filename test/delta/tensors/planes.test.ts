import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { noise, sampleTar, type SampleEntry } from '../sample-image.ts';
import { coded, decoded } from '../layer-delta/layers.ts';
import { generalSize } from '../../../src/delta/layer-delta/general-size.ts';
import { joinDifferences, joinElements, splitDifferences, splitElements } from '../../../src/delta/tensors/planes.ts';
import { asBytes, sampleTensors, tuned, weights, writers, type WrittenTensor } from './models.ts';

const text = (name: string, bytes: Buffer): SampleEntry => ({ name, bytes });

/** Bytes of the delta of one file, which comes out as it was. */
async function sizeOf(old: Buffer | undefined, bytes: Buffer, oldName = 'opt/model'): Promise<number> {
  const layers = [sampleTar(old === undefined ? [text('opt/other', noise(50, 1))] : [text(oldName, old)])];
  const wanted = sampleTar([text('opt/model', bytes)]);
  const { sources, deltas } = await coded(layers, [wanted]);
  expect((await decoded(layers, sources, deltas[0]!)).equals(wanted)).toBe(true);
  return deltas[0]!.length;
}

test('elements come back from their planes', () => {
  const width = fc.constantFrom(1, 2, 4);
  const pair = fc.tuple(width, fc.uint8Array({ maxLength: 400 }), fc.uint8Array({ minLength: 400, maxLength: 400 }));
  fc.assert(
    fc.property(pair, ([size, bytes, old]) => {
      const elements = bytes.subarray(0, bytes.length - (bytes.length % size));
      const planes = Array.from({ length: size }, () => new Uint8Array(elements.length / size));
      splitDifferences(elements, old.subarray(0, elements.length), size as 1, planes);
      const made = old.slice(0, elements.length);
      joinDifferences(planes, made, size as 1);
      expect(made).toEqual(elements);
      splitElements(elements, size as 1, planes);
      joinElements(planes, made.fill(0), size as 1);
      expect(made).toEqual(elements);
    }),
  );
});

test('more elements than are worked on at once', () => {
  const [bytes, old] = [noise(300_000, 1), noise(300_000, 2)];
  const planes = [0, 1, 2, 3].map(() => new Uint8Array(75_000));
  splitDifferences(bytes, old, 4, planes);
  joinDifferences(planes, old, 4);
  expect(old.equals(bytes)).toBe(true);
});

/** What the coding of all other files makes of it. */
function generalBytes(old: Buffer, bytes: Buffer): Promise<number> {
  const file = (from: Buffer) => ({
    size: from.length,
    read: (position: number, length: number, into: Uint8Array) => into.set(from.subarray(position, position + length)),
  });
  return generalSize(file(old), file(bytes), 19, Infinity);
}

describe.each(Object.entries(writers))('%s', (_, write) => {
  test('a model after a step of training', async () => {
    const [before, after] = [write(sampleTensors(['f32', 'f16'])), write(sampleTensors(['f32', 'f16'], 0.001))];
    expect(await sizeOf(before, after)).toBeLessThan(0.75 * (await generalBytes(before, after)));
  });

  test('numbers of every type', async () => {
    const dtypes: WrittenTensor['dtype'][] = ['i8', 'q8_0', 'bf16', 'f32', 'f16'];
    const [before, after] = [sampleTensors(dtypes), sampleTensors(dtypes, 0.02)];
    await sizeOf(write(before), write(after));
  });

  test('a model that nothing old resembles', async () => {
    const model = write(sampleTensors(['f32', 'bf16']));
    expect(await sizeOf(undefined, model)).toBeLessThan(0.93 * (await generalBytes(Buffer.alloc(0), model)));
  });

  test('tensors that moved, were renamed or are new', async () => {
    const before = sampleTensors(['f32', 'i8']);
    const renamed = before.map((tensor) => ({ ...tensor, name: `model.${tensor.name}` })).toReversed();
    const added: WrittenTensor = {
      name: 'added',
      dtype: 'f32',
      shape: [700],
      bytes: asBytes(weights(700, 5), 'f32'),
    };
    const size = await sizeOf(write(before), write([...renamed.slice(0, 2), added, ...renamed.slice(2)]));
    expect(size).toBeLessThan(added.bytes.length + 900);
  });

  test('a tensor that grew is aligned', async () => {
    const [tensor] = sampleTensors(['f32']);
    const more = asBytes(weights(96 * 4, 77), 'f32');
    const grown = { ...tensor!, shape: [68, 96], bytes: Buffer.concat([tensor!.bytes, more]) };
    expect(await sizeOf(write([tensor!]), write([grown]))).toBeLessThan(more.length + 600);
  });

  test('the old file is no model', async () => {
    const model = write(sampleTensors(['bf16']));
    await sizeOf(noise(20_000, 4), model);
  });
});

test('few elements that are others are named one by one', async () => {
  const before = sampleTensors(['f32']);
  const after = before.map((tensor) => {
    const bytes = Buffer.from(tensor.bytes);
    bytes[400]! ^= 1;
    return { ...tensor, bytes };
  });
  expect(await sizeOf(writers.safetensors(before), writers.safetensors(after))).toBeLessThan(250);
});

test('several models between other files, and one that is larger than a block', async () => {
  const large = (by: number): WrittenTensor => {
    // The same numbers again and again: they are soon packed.
    const bytes = Buffer.alloc(6_000_000, asBytes(tuned(weights(1_000, 3), by, 4), 'f32'));
    return { name: 'large', dtype: 'f32', shape: [1_500_000], bytes };
  };
  const tree = (by: number) =>
    sampleTar([
      text('a.onnx', writers.onnx(sampleTensors(['f32'], by))),
      text('b.txt', Buffer.from(`text ${by}\n`.repeat(90))),
      text('c.gguf', writers.gguf(sampleTensors(['q8_0', 'bf16'], by), ['a', 'token'])),
      text('d.safetensors', writers.safetensors([large(by)])),
      text('e.txt', Buffer.from(`${by}`)),
    ]);
  const [old, wanted] = [tree(0), tree(0.01)];
  const { sources, deltas } = await coded([old], [wanted]);
  expect((await decoded([old], sources, deltas[0]!)).equals(wanted)).toBe(true);
  expect(deltas[0]!.subarray(0, 4).toString()).toBe('ibl3');
}, 60_000);
