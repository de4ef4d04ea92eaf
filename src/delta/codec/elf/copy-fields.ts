import { chunkSize, type FileView } from './field-finder.ts';
import { fieldKind } from './field.ts';
import type { FieldSource } from './field-sources.ts';
import type { Model } from './model.ts';
import { sectionAt, type Predictor } from './predictor.ts';
import { int32 } from './x86.ts';

/** Called for each field of copied bytes with what was predicted; returns what it is. */
export type FieldResult = (predicted: number, at: number) => number;

/** Predicts the fields of bytes that are copied from the old file. */
export class CopyFields {
  readonly #source: FieldSource;
  readonly #model: Model;
  readonly #predictor: Predictor;

  constructor(source: FieldSource, model: Model, predictor: Predictor) {
    this.#source = source;
    this.#model = model;
    this.#predictor = predictor;
  }

  /**
   * Goes through the fields that lie wholly in `size` bytes of the old file from `start` on, which stand in `bytes` from
   * its start and go to `position` in the new file, and replaces each by what `result` returns. A field that begins
   * within the one before is none.
   */
  replace(bytes: Uint8Array, start: number, size: number, position: number, result: FieldResult): void {
    const end = start + size;
    let free = start;
    for (let chunk = Math.floor(start / chunkSize); chunk * chunkSize < end; chunk++) {
      const { list, start: first, end: last } = this.#source.of(chunk);
      const { position: positions, kind: kinds, target: targets, base: bases } = list;
      this.#predictor.fetch(targets, first, last);
      for (let each = first; each < last; each++) {
        const place = positions[each]!;
        if (place < free) continue;
        if (place + 4 > end) break;
        free = place + 4;
        const at = place - start;
        const kind = kinds[each]!;
        const target = targets[each]!;
        const base =
          kind === fieldKind.fromAddress || kind === fieldKind.fromOffset
            ? this.#newBase(place, bases[each]!)
            : bases[each]!;
        const predicted = this.#predictor.predict(kind, position + at, int32(bytes, at), target, base);
        const word = result(predicted, at);
        this.#predictor.learn(kind, position + at, target, base, predicted, word);
        bytes[at] = word;
        bytes[at + 1] = word >> 8;
        bytes[at + 2] = word >> 16;
        bytes[at + 3] = word >> 24;
      }
    }
  }

  #newBase(place: number, base: number): number {
    const section = sectionAt(this.#model.old.sections, place);
    return this.#model.text.sections[section]!.bases[base]!;
  }
}

/** Views of a file that is read by place, in one buffer that grows to what is asked for at once: some KiB. */
export function fileView(size: number, read: (position: number, size: number, into: Uint8Array) => void): FileView {
  let buffer = Buffer.alloc(2 * chunkSize);
  return {
    size,
    view(start, end) {
      if (end - start > buffer.length) buffer = Buffer.alloc(2 * (end - start));
      read(start, end - start, buffer);
      return buffer.subarray(0, end - start);
    },
  };
}
