import type { RandomAccess } from '../../source-spool.ts';
import { align, indexSeeds, type Alignment } from '../../align.ts';
import { prune } from '../../prune.ts';
import { sizeOf, streamWriters, type BlockPacker } from '../block.ts';
import { BlockSizer } from '../block-sizer.ts';
import { DifferenceEncoder } from '../differences.ts';
import {
  blockLimit,
  blockTarget,
  elfStreams,
  memoryLimit,
  memoryNeeded,
  operationLimit,
  pieceLimit,
  preludeStreams,
  type ElfTables,
} from '../format.ts';
import { WordEncoder } from '../recent-words.ts';
import { AddressMap } from './addresses.ts';
import { CopyFields } from './copy-fields.ts';
import { chunkSize } from './field-finder.ts';
import { KnownFields, type FieldList } from './field.ts';
import { readElf } from './image.ts';
import { splitX86, turnAarch64 } from './inserted-code.ts';
import { layoutOf, modelOf } from './layout.ts';
import { encodeModel, sectionLimit, type Model } from './model.ts';
import { normalise } from './normalise.ts';
import type { Copies } from './offset-map.ts';
import { Predictor } from './predictor.ts';
import { codeSectionOf, stepsOf, tablesOf } from './steps.ts';
import { int32 } from './x86.ts';

/** Both files together, in bytes: they are held at once, and their fields and seeds beside them. */
export const elfSizeLimit = 400 * 2 ** 20;

/** Everything that is decided before the first byte is written. */
export interface ElfPlan {
  model: Model;
  copies: Copies;
  /** Of the old file. */
  fields: FieldList[];
  tables: ElfTables;
}

/**
 * Looks at two ELF files of one machine and finds what of the old is in the new; undefined for all else. Memory: both
 * files, 17 bytes for each field of both and 2 bytes for each of the old: about 3 times the old file and twice the new.
 */
export function planElf(old: RandomAccess, text: RandomAccess): ElfPlan | undefined {
  if (old.size + text.size > elfSizeLimit) return undefined;
  const before = readWhole(old);
  const beforeImage = readElf(before);
  if (beforeImage === undefined) return undefined;
  const after = readWhole(text);
  const afterImage = readElf(after);
  if (afterImage?.machine !== beforeImage.machine) return undefined;
  const oldLayout = layoutOf(beforeImage, before);
  const newLayout = layoutOf(afterImage, after);
  if (oldLayout.sections.length > sectionLimit) return undefined;
  const model = modelOf(oldLayout, newLayout, after);
  const fields = normalise(before, oldLayout);
  normalise(after, newLayout);
  const copies = copiesOf(prune(before, after, align(indexSeeds(before), after, 0)));
  if (copies.count > operationLimit) return undefined;
  const tables = tablesOf(model, copies);
  if (memoryNeeded(blockLimit, tables) > memoryLimit) return undefined;
  return { model, copies, fields, tables };
}

/** Yields the blocks of a plan, the first of which says what was planned. */
export async function* encodeElf(
  { model, copies, fields }: ElfPlan,
  old: RandomAccess,
  text: RandomAccess,
  pack: BlockPacker,
  sizer: BlockSizer,
  onBytes: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  yield await prelude(model, copies, pack);
  const streams = streamWriters(elfStreams);
  const differences = new DifferenceEncoder(streams);
  const { error0, error1, error2, error3, operand0, operand1, operand2, operand3 } = streams;
  const errors = new WordEncoder(streams.error, [error0, error1, error2, error3]);
  const operands = new WordEncoder(streams.operand, [operand0, operand1, operand2, operand3]);
  const predictor = new Predictor(model, copies, old.size);
  const copyFields = new CopyFields(new KnownFields(fields, chunkSize), model, predictor);
  const addresses = new AddressMap(model.text.segments);
  const predictedBytes = Buffer.allocUnsafe(pieceLimit);
  const pieceBytes = Buffer.allocUnsafe(pieceLimit);
  let correct = 0;

  for (const { at, size, ...step } of stepsOf(copies, text.size)) {
    const piece = pieceBytes.subarray(0, size);
    text.read(at, size, piece);
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
      old.read(step.from, size, predicted);
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
    yield sizer.close(sizeOf(elfStreams, streams), await pack(elfStreams, streams));
  }
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

function copiesOf(found: Alignment[]): Copies {
  return {
    count: found.length,
    newStart: Int32Array.from(found, ({ newStart }) => newStart),
    oldStart: Int32Array.from(found, ({ oldStart }) => oldStart),
    size: Int32Array.from(found, ({ size }) => size),
  };
}

/** Where the decoder makes the unwind table, the coded file has zeros. */
function clearTable(piece: Buffer, at: number, { unwind }: Model): void {
  if (unwind === undefined) return;
  const from = Math.max(0, unwind.tableStart + 12 - at);
  const to = Math.min(piece.length, unwind.tableStart + unwind.tableSize - at);
  if (from < to) piece.fill(0, from, to);
}

function readWhole(file: RandomAccess): Buffer {
  const bytes = Buffer.allocUnsafe(file.size);
  file.read(0, file.size, bytes);
  return bytes;
}
