import { createHash, randomBytes } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { parallelGzip } from '../../src/engine/parallel-gzip.ts';
import { run } from '../../src/process/run.ts';

async function pack(parts: Buffer[], level?: number): Promise<Buffer> {
  async function* source() {
    yield* parts;
  }
  const packed: Buffer[] = [];
  for await (const chunk of parallelGzip(source(), level)) packed.push(chunk);
  return Buffer.concat(packed);
}

/** Compressible bytes that repeat over more than a piece. */
function sample(size: number): Buffer {
  const word = createHash('sha512').update('sample').digest();
  return Buffer.from(Uint8Array.from({ length: size }, (_, index) => word[(index * 7 + (index >> 12)) % word.length]!));
}

describe('parallel gzip', () => {
  it.each([0, 1, 1024 * 1024 - 1, 1024 * 1024, 1024 * 1024 + 1, 5_000_000])('gives back %i bytes', async (size) => {
    const bytes = sample(size);
    expect(gunzipSync(await pack([bytes])).equals(bytes)).toBe(true);
  });

  it('is read by gzip itself as one member', async () => {
    const bytes = sample(3_000_000);
    const packed = await pack([bytes.subarray(0, 70_000), bytes.subarray(70_000)]);
    const { stdout, exitCode } = await run('gzip', ['-dc'], { input: packed });
    expect(exitCode).toBe(0);
    expect(stdout.equals(bytes)).toBe(true);
    const listed = await run('gzip', ['-t', '-'], { input: packed });
    expect(listed.stderr).toBe('');
  });

  it('stores what does not shrink, and goes on where it does', async () => {
    const random = randomBytes(3_000_000);
    const bytes = Buffer.concat([sample(2_000_000), random, sample(2_000_000)]);
    const packed = await pack([bytes]);
    expect(gunzipSync(packed).equals(bytes)).toBe(true);
    expect(packed.length).toBeGreaterThan(random.length);
    expect(packed.length).toBeLessThan(random.length + 1_200_000);
  });

  it('does not depend on how its input is cut', async () => {
    const bytes = sample(2_500_000);
    const pieces = Array.from({ length: Math.ceil(bytes.length / 321) }, (_, at) =>
      bytes.subarray(at * 321, at * 321 + 321),
    );
    expect((await pack(pieces)).equals(await pack([bytes]))).toBe(true);
  });

  it('passes the error of its source on', async () => {
    async function* broken() {
      yield sample(2_000_000);
      throw new Error('cut');
    }
    const read = async () => {
      for await (const chunk of parallelGzip(broken())) void chunk;
    };
    await expect(read()).rejects.toThrow('cut');
  });
});
