import { setImmediate } from 'node:timers/promises';
import { align, indexSeeds, type SeedIndex } from './align.ts';
import { landmarksOf, slotsFor } from './landmarks.ts';
import { prune } from './prune.ts';
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

/** A part of the new, and what of the old its bytes are nearly like: in order; what no piece covers is new. */
export interface AlignedPart {
  bytes: Buffer;
  pieces: {
    /** Where it begins in `bytes`. */
    start: number;
    /** Where it begins in the old file, and the bytes that stand there. */
    position: number;
    source: Uint8Array;
  }[];
}

/** Goes through the new file in parts. Memory: about 4.5 times the old window, and the new one twice. */
export async function* alignedParts(
  old: RandomAccess,
  text: RandomAccess,
  { old: oldSize, new: newSize }: EncodeWindows,
): AsyncGenerator<AlignedPart> {
  const landmarks = old.size <= oldSize ? undefined : await landmarksOf(old);
  const slot = oldSize / slots;
  let window: OldWindow | undefined;
  /** Old minus new position where the last alignment ended. */
  let drift = 0;
  for (let start = 0; start < text.size; start += newSize) {
    const bytes = readPart(text, start, newSize);
    if (landmarks !== undefined) {
      const chosen = slotsFor(landmarks, bytes, start + drift, old.size, slot, slots);
      // One window at a time: the last one goes before the next is read.
      window = undefined;
      window = openWindow(
        old,
        chosen.map((at) => ({ position: at * slot, size: slot })),
      );
    }
    const opened = (window ??= openWindow(old, [{ position: 0, size: old.size }]));
    const alignments = align(opened.seeds, bytes, diagonalOf(opened, start + drift));
    const pieces = prune(opened.seeds.old, bytes, alignments).flatMap((found) =>
      // Neighbours in the buffer need not be neighbours in the file.
      piecesOf(opened, found.oldStart, found.size).map(({ offset, position, size }) => ({
        start: found.newStart + offset,
        position,
        source: opened.seeds.old.subarray(found.oldStart + offset, found.oldStart + offset + size),
      })),
    );
    const last = pieces.at(-1);
    if (last !== undefined) drift = last.position - (start + last.start);
    yield { bytes, pieces };
    // An interrupt must be heard between parts: what is found in the old costs time, and gives the writer next to nothing.
    await setImmediate();
  }
}

/** Writes what makes `text` (a part of the new image) out of the old file `path`. `onBytes` may throw to end it. */
export async function encodeFile(
  writer: OperationWriter,
  path: string,
  old: RandomAccess,
  text: RandomAccess,
  onBytes: (bytes: number) => void,
  size: EncodeWindows = windows,
): Promise<void> {
  for await (const { bytes, pieces } of alignedParts(old, text, size)) {
    let done = 0;
    for (const { start, position, source } of pieces) {
      writer.data(bytes.subarray(done, start));
      done = start + source.length;
      emitAligned(writer, path, position, bytes.subarray(start, done), source);
      await writer.drain();
    }
    writer.data(bytes.subarray(done));
    await writer.drain();
    onBytes(bytes.length);
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
