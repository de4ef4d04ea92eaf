import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Failure } from '../../../src/failure.ts';
import { noise } from '../sample-image.ts';
import { makeElf, sampleProgram } from './elf-file.ts';
import { decoded, encoded, unpacked } from './files.ts';

const random = noise(60_000, 1);
const changed = Buffer.concat([random.subarray(40_000), noise(3_000, 2), random.subarray(0, 30_000)]);
for (let at = 0; at < changed.length; at += 97) changed[at]! += 3;
const programs = (['x86-64', 'aarch64'] as const).map((machine) => {
  const program = { ...sampleProgram(machine, 120, 1, machine === 'x86-64'), go: machine === 'x86-64' };
  const functions = program.functions.toSpliced(20, 3, ...sampleProgram(machine, 120).functions.slice(40, 80));
  return { old: makeElf(program), text: makeElf({ ...program, functions }) };
});
const packed = await Promise.all(
  [{ old: random, text: changed }, ...programs].map(async (pair) => ({
    ...pair,
    delta: await encoded(pair.old, pair.text, { codec: 'elf' }),
  })),
);
/** The same with streams that are not packed: there, damage goes deeper than zstd. */
const cases = [...packed, ...packed.map((each) => ({ ...each, delta: unpacked(each.delta) }))];
type Case = (typeof cases)[number];

/** Damaged: a Failure or the right bytes, nothing else. */
async function expectRefused({ old, text }: Case, delta: Buffer): Promise<void> {
  try {
    expect((await decoded(delta, old)).equals(text)).toBe(true);
  } catch (error) {
    expect(error).toBeInstanceOf(Failure);
  }
}

test('any bytes changed: an error, or the right file', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...cases),
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 6 }),
      async (each, flips) => {
        const damaged = Buffer.from(each.delta);
        for (const [at, mask] of flips) damaged[at % damaged.length]! ^= mask;
        await expectRefused(each, damaged);
      },
    ),
    { numRuns: 150 },
  );
});

test('cut at any place, or with bytes put in: an error', async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...cases), fc.nat(), fc.uint8Array({ maxLength: 12 }), async (each, at, more) => {
      const { delta, old } = each;
      const place = at % delta.length;
      await expect(decoded(delta.subarray(0, place), old)).rejects.toThrow(Failure);
      await expectRefused(each, Buffer.concat([delta.subarray(0, place), more, delta.subarray(place)]));
    }),
    { numRuns: 60 },
  );
});

test('any bytes behind a good header: an error', async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...cases), fc.uint8Array({ maxLength: 300 }), async ({ delta, old }, rest) => {
      await expect(decoded(Buffer.concat([delta.subarray(0, 16), rest]), old)).rejects.toThrow(Failure);
    }),
    { numRuns: 60 },
  );
});
