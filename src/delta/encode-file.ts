import { align, indexSeeds, type SeedIndex } from './align.ts';
import { landmarksOf, windowFor, type Landmarks } from './landmarks.ts';
import type { RandomAccess } from './source-spool.ts';
import type { OperationWriter } from './tar-diff/write.ts';

/** An old file up to this size is searched as a whole, of a larger one the likeliest part of this size. */
const oldWindow = 64 * 1024 * 1024;
/** The new is searched in parts of this size. Memory of an encoder: twice the old window, and this. */
const newWindow = 32 * 1024 * 1024;
/** Equal bytes of this length are copied; shorter ones go with the differences, as zeros. */
const copyRun = 256;

/**
 * Writes what makes `text` (a part of the new image) out of the old file `path`. Memory is bounded by the two windows,
 * whatever the sizes.
 */
export async function encodeFile(
  writer: OperationWriter,
  path: string,
  old: RandomAccess,
  text: RandomAccess,
  onBytes: (bytes: number) => void,
): Promise<void> {
  let seeds: SeedIndex | undefined;
  const whole = old.size <= oldWindow;
  const landmarks: Landmarks | undefined = whole ? undefined : await landmarksOf(old);
  let windowStart = 0;
  /** Old minus new position where the last alignment ended. */
  let drift = 0;
  for (let start = 0; start < text.size; start += newWindow) {
    const part = readPart(text, start, newWindow);
    if (seeds === undefined || !whole) {
      windowStart = landmarks === undefined ? 0 : windowFor(landmarks, part, start + drift, old.size, oldWindow);
      seeds = indexSeeds(readPart(old, windowStart, oldWindow));
    }
    let done = 0;
    for (const { newStart, oldStart, size } of align(seeds, part, start + drift - windowStart)) {
      writer.data(part.subarray(done, newStart));
      const source = seeds.old.subarray(oldStart, oldStart + size);
      emitAligned(writer, path, windowStart + oldStart, part.subarray(newStart, newStart + size), source);
      done = newStart + size;
      drift = windowStart + oldStart - (start + newStart);
      await writer.drain();
    }
    writer.data(part.subarray(done));
    await writer.drain();
    onBytes(part.length);
  }
}

function readPart(from: RandomAccess, start: number, most: number): Buffer {
  const part = Buffer.allocUnsafe(Math.max(0, Math.min(most, from.size - start)));
  from.read(start, part.length, part);
  return part;
}

/** Long equal runs as copies, what is between them as differences. */
function emitAligned(writer: OperationWriter, path: string, position: number, text: Buffer, source: Uint8Array): void {
  const addTo = (from: number, to: number) => {
    if (to > from) writer.add(path, position + from, text.subarray(from, to), source.subarray(from, to));
  };
  let done = 0;
  for (let at = 0; at < text.length;) {
    if (text[at] !== source[at]) {
      at++;
      continue;
    }
    const run = at;
    while (at < text.length && text[at] === source[at]) at++;
    if (at - run < copyRun) continue;
    addTo(done, run);
    writer.copy(path, position + run, at - run);
    done = at;
  }
  addTo(done, text.length);
}
