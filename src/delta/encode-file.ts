import { setImmediate } from 'node:timers/promises';
import { align, indexSeeds, type SeedIndex } from './align.ts';
import { landmarksOf, slotsFor } from './landmarks.ts';
import type { RandomAccess } from './source-spool.ts';
import type { OperationWriter } from './tar-diff/write.ts';

/** How much is looked at together, in bytes: memory of an encoder is about twice `old` and `new`, whatever the files. */
export interface EncodeWindows {
  /** An old file up to this size is searched as a whole; of a larger one, as many slots of a sixteenth as it takes. */
  old: number;
  /** The new is searched in parts of this size. */
  new: number;
}

const windows: EncodeWindows = { old: 64 * 1024 * 1024, new: 32 * 1024 * 1024 };
const slots = 16;
/** Equal bytes of this length are copied; shorter ones go with the differences, as zeros. */
const copyRun = 256;

/** Parts of an old file, one after the other in one buffer. */
interface OldWindow {
  seeds: SeedIndex;
  /** Where each part begins in the buffer and in the old file; in order. */
  parts: { start: number; position: number; size: number }[];
}

/** Writes what makes `text` (a part of the new image) out of the old file `path`. `onBytes` may throw to end it. */
export async function encodeFile(
  writer: OperationWriter,
  path: string,
  old: RandomAccess,
  text: RandomAccess,
  onBytes: (bytes: number) => void,
  { old: oldSize, new: newSize }: EncodeWindows = windows,
): Promise<void> {
  const landmarks = old.size <= oldSize ? undefined : await landmarksOf(old);
  const slot = oldSize / slots;
  let window: OldWindow | undefined;
  /** Old minus new position where the last alignment ended. */
  let drift = 0;
  for (let start = 0; start < text.size; start += newSize) {
    const part = readPart(text, start, newSize);
    if (landmarks !== undefined) {
      const chosen = slotsFor(landmarks, part, start + drift, old.size, slot, slots);
      window = openWindow(
        old,
        chosen.map((at) => ({ position: at * slot, size: slot })),
      );
    }
    window ??= openWindow(old, [{ position: 0, size: old.size }]);
    let done = 0;
    for (const { newStart, oldStart, size } of align(window.seeds, part, diagonalOf(window, start + drift))) {
      writer.data(part.subarray(done, newStart));
      // Neighbours in the buffer need not be neighbours in the file.
      for (const piece of piecesOf(window, oldStart, size)) {
        const from = newStart + piece.offset;
        const source = window.seeds.old.subarray(oldStart + piece.offset, oldStart + piece.offset + piece.size);
        emitAligned(writer, path, piece.position, part.subarray(from, from + piece.size), source);
        drift = piece.position - (start + from);
      }
      done = newStart + size;
      await writer.drain();
    }
    writer.data(part.subarray(done));
    await writer.drain();
    onBytes(part.length);
    // An interrupt must be heard between parts: what is found in the old costs time, and gives the writer next to nothing.
    await setImmediate();
  }
}

function openWindow(old: RandomAccess, wanted: { position: number; size: number }[]): OldWindow {
  let start = 0;
  const parts = wanted.map(({ position, size }) => {
    const part = { start, position, size: Math.min(size, old.size - position) };
    start += part.size;
    return part;
  });
  const buffer = Buffer.allocUnsafe(start);
  for (const part of parts) old.read(part.position, part.size, buffer.subarray(part.start));
  return { seeds: indexSeeds(buffer), parts };
}

/** Place in the buffer, of a place in the old file; the start where it is not in the window. */
function diagonalOf(window: OldWindow, position: number): number {
  const part = window.parts.find((each) => position >= each.position && position < each.position + each.size);
  return part === undefined ? 0 : part.start + position - part.position;
}

function piecesOf(window: OldWindow, start: number, size: number) {
  const pieces: { offset: number; position: number; size: number }[] = [];
  for (const part of window.parts) {
    const from = Math.max(start, part.start);
    const to = Math.min(start + size, part.start + part.size);
    if (from >= to) continue;
    pieces.push({ offset: from - start, position: part.position + from - part.start, size: to - from });
  }
  return pieces;
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
