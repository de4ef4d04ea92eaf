import type { RandomAccess } from './source-spool.ts';

/**
 * Sampled places of a large file, by content: wherever the hash of 32 bytes ends in zeros, so that the same bytes give
 * the same samples at any offset. They tell which part of an old file a part of the new one came from.
 */
export interface Landmarks {
  /** Hash → position in the old. */
  places: Map<number, number>;
  mask: number;
}

const sampleSize = 32;
/** At most about this many samples, whatever the file's size. */
const samples = 2 ** 17;
const multiplier = 0x2c1b3c6d | 0;
const leaving = (() => {
  let power = 1;
  for (let at = 0; at < sampleSize; at++) power = Math.imul(power, multiplier);
  return power;
})();
const chunk = 4 * 1024 * 1024;

/** Yields to others between chunks, so that an interrupt is heard. */
export async function landmarksOf(file: RandomAccess): Promise<Landmarks> {
  const mask = 2 ** Math.max(12, Math.ceil(Math.log2(file.size / samples))) - 1;
  const places = new Map<number, number>();
  const buffer = Buffer.allocUnsafe(Math.min(chunk, file.size));
  for (let start = 0; start < file.size; start += chunk) {
    const length = Math.min(chunk, file.size - start);
    file.read(start, length, buffer);
    sample(buffer.subarray(0, length), mask, (hash, at) => {
      if (!places.has(hash)) places.set(hash, start + at);
    });
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { places, mask };
}

/**
 * Which `count` slots (of `slot` bytes each) of the old file `part` most likely came from, in order: those whose samples
 * are found in it, then their neighbours, then those around `expected`.
 */
export function slotsFor(
  landmarks: Landmarks,
  part: Uint8Array,
  expected: number,
  oldSize: number,
  slot: number,
  count: number,
): number[] {
  const all = Math.ceil(oldSize / slot);
  const votes = new Map<number, number>();
  const vote = (at: number, weight: number) => {
    if (at >= 0 && at < all) votes.set(at, (votes.get(at) ?? 0) + weight);
  };
  sample(part, landmarks.mask, (hash) => {
    const place = landmarks.places.get(hash);
    if (place === undefined) return;
    const at = Math.floor(place / slot);
    vote(at, 1000);
    // What came from the border of a slot may begin or end in the next one.
    vote(at - 1, 1);
    vote(at + 1, 1);
  });
  const middle = Math.floor(Math.max(0, expected + part.length / 2) / slot);
  for (let distance = 0; distance < count; distance++) {
    vote(middle - distance, 1 / (2 + distance));
    vote(middle + distance, 1 / (2 + distance));
  }
  return [...votes]
    .toSorted(([a, x], [b, y]) => y - x || a - b)
    .slice(0, count)
    .map(([at]) => at)
    .toSorted((a, b) => a - b);
}

function sample(bytes: Uint8Array, mask: number, found: (hash: number, at: number) => void): void {
  let hash = 0;
  for (let at = 0; at < bytes.length; at++) {
    hash = (Math.imul(hash, multiplier) + bytes[at]! + 1) | 0;
    if (at >= sampleSize) hash = (hash - Math.imul(bytes[at - sampleSize]! + 1, leaving)) | 0;
    if (at + 1 >= sampleSize && ((hash >>> 7) & mask) === 0) found(hash, at + 1 - sampleSize);
  }
}
