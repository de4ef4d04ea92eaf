import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { Failure } from '../../../src/failure.ts';
import { decoded, sha256 } from './files.ts';
import type { Vector } from './make-vectors.ts';

const folder = path.join(import.meta.dirname, 'vectors');
const read = (name: string) => readFileSync(path.join(folder, name));
const vectors = JSON.parse(read('vectors.json').toString()) as Vector[];

test.each(vectors)('$name', async (vector) => {
  const [delta, old] = [read(vector.delta), read(vector.old)];
  if ('error' in vector) await expect(decoded(delta, old)).rejects.toThrow(Failure);
  else expect(sha256(await decoded(delta, old, {}, 1000))).toBe(vector.sha256);
});
