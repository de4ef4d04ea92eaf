import { expectUsedUp, type StreamReaders } from '../block.ts';
import { DifferenceDecoder } from '../differences.ts';
import { brokenDelta } from '../failure.ts';
import { elfStreams, operationLimit, pieceLimit, preludeStreams } from '../format.ts';
import type { OldPages } from '../old-pages.ts';
import type { HeldPart, Output } from '../output.ts';
import { WordDecoder } from '../recent-words.ts';
import { AddressMap } from './addresses.ts';
import { CopyFields, fileView } from './copy-fields.ts';
import { FieldFinder } from './field-finder.ts';
import { FoundFields } from './field-sources.ts';
import { joinX86, turnAarch64 } from './inserted-code.ts';
import { decodeModel, type Model } from './model.ts';
import type { Copies } from './offset-map.ts';
import { Predictor } from './predictor.ts';
import { codeSectionOf, stepsOf, type Step } from './steps.ts';
import { makeUnwindTable } from './unwind.ts';

/** What the first block of an ELF delta says. */
export interface Prelude {
  model: Model;
  copies: Copies;
}

export function decodePrelude(
  streams: StreamReaders<(typeof preludeStreams)[number]>,
  oldSize: number,
  newSize: number,
): Prelude {
  const count = streams.model.uvarint();
  if (count > operationLimit || count > streams.copy.left) throw brokenDelta('it has too many copies');
  const model = decodeModel(streams.model, oldSize, newSize);
  const copies = {
    count,
    newStart: new Int32Array(count),
    oldStart: new Int32Array(count),
    size: new Int32Array(count),
  };
  let place = 0;
  let from = 0;
  for (let copy = 0; copy < count; copy++) {
    place += streams.insert.uvarint();
    from += streams.seek.svarint();
    const size = streams.copy.uvarint();
    if (size === 0 || place + size > newSize) throw brokenDelta(`it copies ${size} bytes to ${place}`);
    if (from < 0 || from + size > oldSize) throw brokenDelta(`it copies from ${from}, outside of the old file`);
    copies.newStart[copy] = place;
    copies.oldStart[copy] = from;
    copies.size[copy] = size;
    place += size;
    from += size;
  }
  expectUsedUp(preludeStreams, streams);
  return { model, copies };
}

/** Makes the new file block by block, in order. */
export class ElfDecoder {
  readonly #model: Model;
  readonly #old: OldPages;
  readonly #fields: CopyFields;
  readonly #addresses: AddressMap;
  readonly #steps: Generator<Step>;
  readonly #errors = new WordDecoder();
  readonly #operands = new WordDecoder();
  readonly #bytes = Buffer.alloc(pieceLimit);

  constructor({ model, copies }: Prelude, old: OldPages, newSize: number) {
    this.#model = model;
    this.#old = old;
    this.#addresses = new AddressMap(model.text.segments);
    const view = fileView(old.size, (position, size, into) => old.read(position, size, into));
    const fields = new FoundFields(new FieldFinder(view, model.old));
    this.#fields = new CopyFields(fields, model, new Predictor(model, copies, old.size));
    this.#steps = stepsOf(copies, newSize);
  }

  block(streams: StreamReaders<(typeof elfStreams)[number]>, size: number, output: Output): void {
    const differences = new DifferenceDecoder(streams);
    const { error, error0, error1, error2, error3 } = streams;
    const errorBytes = [error0, error1, error2, error3];
    const nextMiss = () => (streams.miss.left === 0 ? Infinity : streams.miss.uvarint());
    let correct = nextMiss();
    for (let left = size; left > 0;) {
      const next = this.#steps.next();
      if (next.done === true || next.value.size > left) throw brokenDelta('a block of it ends inside a step');
      const step = next.value;
      const bytes = this.#bytes.subarray(0, step.size);
      if (step.kind === 'insert') this.#insert(step, bytes, streams);
      else {
        this.#old.read(step.from, step.size, bytes);
        this.#fields.replace(bytes, step.from, step.size, step.at, (word) => {
          if (correct > 0) {
            correct--;
            return word;
          }
          const actual = (word + this.#errors.next(error, errorBytes)) | 0;
          correct = nextMiss();
          return actual;
        });
        differences.addTo(bytes, step.size);
      }
      output.put(bytes);
      left -= step.size;
    }
    differences.expectEnd();
    expectUsedUp(elfStreams, streams);
  }

  #insert({ at, size }: Step, bytes: Buffer, streams: StreamReaders<(typeof elfStreams)[number]>): void {
    const section = codeSectionOf(this.#model.text.sections, at, size);
    const address = this.#addresses.addressOf(at);
    if (section === undefined || address < 0) bytes.set(streams.data.take(size));
    else if (section.kind === 'x86-64') {
      const { code, operand, operand0, operand1, operand2, operand3 } = streams;
      const rest = [operand0, operand1, operand2, operand3];
      joinX86(bytes, address, code, () => this.#operands.next(operand, rest));
    } else {
      bytes.set(streams.code.take(size));
      turnAarch64(bytes, address, true);
    }
  }
}

/** The part of the new file that waits until its unwind table can be made. */
export function heldPart({ unwind, text }: Model): HeldPart | undefined {
  if (unwind === undefined) return undefined;
  const { tableStart, tableSize, recordsStart, recordsSize } = unwind;
  const addresses = new AddressMap(text.segments);
  const address = { table: addresses.addressOf(tableStart), records: addresses.addressOf(recordsStart) };
  return {
    start: tableStart,
    size: recordsStart + recordsSize - tableStart,
    complete(bytes) {
      const records = { start: recordsStart - tableStart, size: recordsSize };
      if (!makeUnwindTable(bytes, { start: 0, size: tableSize }, records, address)) {
        throw brokenDelta('its unwind table cannot be made');
      }
    },
  };
}
