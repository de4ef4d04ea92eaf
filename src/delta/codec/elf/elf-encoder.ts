import type { RandomAccess } from '../../source-spool.ts';
import { heard, sizeOf, streamWriters, type BlockPacker } from '../block.ts';
import { BlockSizer } from '../block-sizer.ts';
import { DifferenceEncoder } from '../differences.ts';
import { blockTarget, elfStreams, mebibyte, pieceLimit, preludeStreams } from '../format.ts';
import { OldPages } from '../old-pages.ts';
import { WordEncoder } from '../recent-words.ts';
import { AddressMap } from './addresses.ts';
import { CopyFields } from './copy-fields.ts';
import { KnownFields } from './field-sources.ts';
import { splitX86, turnAarch64 } from './inserted-code.ts';
import { encodeModel, type Model } from './model.ts';
import type { Copies } from './offset-map.ts';
import type { ElfPlan } from './plan.ts';
import { Predictor } from './predictor.ts';
import { codeSectionOf, stepsOf } from './steps.ts';
import { int32 } from './x86.ts';

/** Bytes of the new file that are read at once, at least those of a step. */
const windowSize = 4 * mebibyte;

/** Yields the blocks of a plan, the first of which says what was planned. Each is packed while the next one is gathered. */
export async function* encodeElf(
  { model, copies, fields }: ElfPlan,
  old: RandomAccess,
  text: RandomAccess,
  pack: BlockPacker,
  sizer: BlockSizer,
  onBytes: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  let packing = heard(prelude(model, copies, pack));
  const streams = streamWriters(elfStreams);
  const differences = new DifferenceEncoder(streams);
  const { error0, error1, error2, error3, operand0, operand1, operand2, operand3 } = streams;
  const errors = new WordEncoder(streams.error, [error0, error1, error2, error3]);
  const operands = new WordEncoder(streams.operand, [operand0, operand1, operand2, operand3]);
  const predictor = new Predictor(model, copies, old.size);
  const copyFields = new CopyFields(new KnownFields(fields), model, predictor);
  const addresses = new AddressMap(model.text.segments);
  const oldPages = new OldPages(old);
  const predictedBytes = new Uint8Array(pieceLimit);
  const window = { bytes: new Uint8Array(Math.min(windowSize, text.size)), start: 0, end: 0 };
  let correct = 0;

  for (const { at, size, ...step } of stepsOf(copies, text.size)) {
    if (at + size > window.end) {
      window.start = at;
      window.end = Math.min(text.size, at + window.bytes.length);
      text.read(at, window.end - at, window.bytes);
    }
    const piece = window.bytes.subarray(at - window.start, at - window.start + size);
    clearTable(piece, at, model);
    if (step.kind === 'insert') {
      const section = codeSectionOf(model.text.sections, at, size);
      const address = addresses.addressOf(at);
      if (section === undefined || address < 0) streams.data.put(piece);
      else if (section.kind === 'x86-64') splitX86(piece, address, streams.code, operands);
      else {
        turnAarch64(piece, address, false);
        streams.code.put(piece);
      }
    } else {
      const predicted = predictedBytes.subarray(0, size);
      oldPages.read(step.from, size, predicted);
      copyFields.replace(predicted, step.from, size, at, (word, place) => {
        const actual = int32(piece, place);
        if (actual === word) correct++;
        else {
          streams.miss.uvarint(correct);
          errors.put(actual - word);
          correct = 0;
        }
        return actual;
      });
      differences.put(piece, 0, predicted, 0, size);
    }
    sizer.add(size);
    onBytes(size);
    if (sizeOf(elfStreams, streams) < blockTarget && at + size < text.size) continue;
    correct = 0;
    differences.reset();
    yield await packing;
    const head = sizer.head(sizeOf(elfStreams, streams));
    packing = heard(pack(elfStreams, streams).then((packed) => Buffer.concat([head, packed])));
  }
  yield await packing;
}

async function prelude(model: Model, copies: Copies, pack: BlockPacker): Promise<Buffer> {
  const streams = streamWriters(preludeStreams);
  streams.model.uvarint(copies.count);
  streams.model.put(encodeModel(model));
  let place = 0;
  let from = 0;
  for (let copy = 0; copy < copies.count; copy++) {
    const size = copies.size[copy]!;
    streams.insert.uvarint(copies.newStart[copy]! - place);
    streams.seek.svarint(copies.oldStart[copy]! - from);
    streams.copy.uvarint(size);
    place = copies.newStart[copy]! + size;
    from = copies.oldStart[copy]! + size;
  }
  return pack(preludeStreams, streams);
}

/** Where the decoder makes the unwind table, the coded file has zeros. */
function clearTable(piece: Uint8Array, at: number, { unwind }: Model): void {
  if (unwind === undefined) return;
  const from = Math.max(0, unwind.tableStart + 12 - at);
  const to = Math.min(piece.length, unwind.tableStart + unwind.tableSize - at);
  if (from < to) piece.fill(0, from, to);
}
