import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Failure } from '../../../src/failure.ts';
import { noise } from '../sample-image.ts';
import { decoded, encoded } from './files.ts';

const old = noise(60_000, 1);
const text = Buffer.concat([old.subarray(40_000), noise(3_000, 2), old.subarray(0, 30_000)]);
for (let at = 0; at < text.length; at += 97) text[at]! += 3;
const deltas = [await encoded(old, text)];

/** Damaged: a Failure or the right bytes, nothing else. */
async function expectRefused(delta: Buffer): Promise<void> {
  try {
    expect((await decoded(delta, old)).equals(text)).toBe(true);
  } catch (error) {
    expect(error).toBeInstanceOf(Failure);
  }
}

test('any bytes changed: an error, or the right file', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...deltas),
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 6 }),
      async (delta, flips) => {
        const damaged = Buffer.from(delta);
        for (const [at, mask] of flips) damaged[at % damaged.length]! ^= mask;
        await expectRefused(damaged);
      },
    ),
    { numRuns: 150 },
  );
});

test('cut at any place, or with bytes put in: an error', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...deltas),
      fc.nat(),
      fc.uint8Array({ maxLength: 12 }),
      async (delta, at, more) => {
        const place = at % delta.length;
        await expect(decoded(delta.subarray(0, place), old)).rejects.toThrow(Failure);
        await expectRefused(Buffer.concat([delta.subarray(0, place), more, delta.subarray(place)]));
      },
    ),
    { numRuns: 60 },
  );
});

test('any bytes behind a good header: an error', async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...deltas), fc.uint8Array({ maxLength: 300 }), async (delta, rest) => {
      await expect(decoded(Buffer.concat([delta.subarray(0, 16), rest]), old)).rejects.toThrow(Failure);
    }),
    { numRuns: 60 },
  );
});
