import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { Failure } from '../../../src/failure.ts';
import { sha256 } from '../codec/files.ts';
import { decoded } from './layers.ts';
import type { Vector } from './make-vectors.ts';

const folder = path.join(import.meta.dirname, 'vectors');
const read = (name: string) => readFileSync(path.join(folder, name));
const vectors = JSON.parse(read('vectors.json').toString()) as Vector[];

test.each(vectors)('$name', async (vector) => {
  const layers = vector.layers.map(read);
  for (const known of [true, false]) {
    const outcome = decoded(layers, read(vector.sources), read(vector.delta), { known });
    if ('error' in vector) await expect(outcome, vector.error).rejects.toThrow(Failure);
    else expect(sha256(await outcome)).toBe(vector.sha256);
  }
});
