import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { Failure } from '../../../src/failure.ts';
import { sha256 } from '../codec/files.ts';
import { decoded } from './layers.ts';
import type { Vector } from './make-vectors.ts';

const folder = path.join(import.meta.dirname, 'vectors');
const read = (name: string) => readFileSync(path.join(folder, name));
const vectors = (JSON.parse(read('vectors.json').toString()) as Vector[]).filter((each) => 'sha256' in each);

function* numbers(seed: number): Generator<number> {
  for (let state = seed; ;) yield (state = (state * 48_271) % 2_147_483_647);
}

/** The same in every run. */
function* damaged(bytes: Buffer, count: number): Generator<{ what: string; bytes: Buffer }> {
  const random = numbers(bytes.length + 1);
  const below = (limit: number) => random.next().value! % limit;
  for (let each = 0; each < count; each++) {
    const at = below(bytes.length);
    if (each % 5 === 0) yield { what: `cut at ${at}`, bytes: bytes.subarray(0, at) };
    else {
      const flipped = Buffer.from(bytes);
      flipped[at]! ^= 1 << below(8);
      yield { what: `flipped at ${at}`, bytes: flipped };
    }
  }
}

test.each(vectors)(
  '$name, damaged: a Failure, or other bytes than those of the filesystem layer are told',
  async (vector) => {
    const layers = vector.layers.map(read);
    const files = { sources: read(vector.sources), delta: read(vector.delta) };
    const wanted = 'sha256' in vector ? vector.sha256 : '';
    let refused = 0;
    let tried = 0;
    for (const part of ['sources', 'delta'] as const) {
      for (const { what, bytes } of damaged(files[part], 60)) {
        tried++;
        const { sources, delta } = part === 'sources' ? { ...files, sources: bytes } : { ...files, delta: bytes };
        const outcome = await decoded(layers, sources, delta).catch((error: unknown) => error);
        if (!(outcome instanceof Buffer)) expect(outcome, `${part} ${what}`).toBeInstanceOf(Failure);
        // A difference that is another one is seen by the digest alone, as in a bundle.
        if (!(outcome instanceof Buffer) || sha256(outcome) !== wanted) refused++;
      }
    }
    // A byte that no stream needs, such as a bit of the memory that is declared, may change nothing.
    expect(refused).toBeGreaterThan(0.8 * tried);
  },
  60_000,
);
