import { align, indexSeeds, type Alignment } from '../../align.ts';
import { prune } from '../../prune.ts';
import type { RandomAccess } from '../../source-spool.ts';
import { blockLimit, mebibyte, memoryLimit, memoryNeeded, operationLimit, type ElfTables } from '../format.ts';
import type { FieldList } from './field.ts';
import { machineOf, readElf } from './image.ts';
import { layoutOf, modelOf } from './layout.ts';
import { sectionLimit, type Model } from './model.ts';
import { normalise } from './normalise.ts';
import type { Copies } from './offset-map.ts';
import { prepareNew, type NewFile } from './prepare-new.ts';
import { startPreparing } from './preparing-thread.ts';
import { tablesOf } from './steps.ts';

/** Both files together, in bytes: they are held at once, and their fields and seeds beside them. */
export const elfSizeLimit = 400 * mebibyte;

/** Everything that is decided before the first byte is written. */
export interface ElfPlan {
  model: Model;
  copies: Copies;
  /** Of the old file. */
  fields: readonly FieldList[];
  tables: ElfTables;
}

/** Of smaller files, in bytes, the start of a thread takes longer than the work. */
export const smallestForThread = 2 * mebibyte;

/**
 * Looks at two ELF files of one machine and finds what of the old is in the new; undefined for all else. `beside`: with a
 * thread for the new one. Memory: both files, 17 bytes for each field of both and 2 bytes for each of the old: about 3 times
 * the old file and twice the new.
 */
export async function planElf(old: RandomAccess, text: RandomAccess, beside: boolean): Promise<ElfPlan | undefined> {
  const machine = machineOf(text);
  if (old.size + text.size > elfSizeLimit || machine === undefined || machineOf(old) !== machine) return undefined;
  if (!beside || text.size < smallestForThread) {
    return planWith(old, text, new ArrayBuffer(text.size), async (file) => prepareNew(file));
  }
  const thread = startPreparing();
  try {
    return await planWith(old, text, new SharedArrayBuffer(text.size), (file) => thread.prepare(file));
  } finally {
    await thread.close();
  }
}

/** `memory` is for the bytes of the new file. */
async function planWith(
  old: RandomAccess,
  text: RandomAccess,
  memory: ArrayBufferLike,
  prepare: (file: NewFile) => Promise<Model['unwind']>,
): Promise<ElfPlan | undefined> {
  const after = readWhole(text, memory);
  const afterImage = readElf(after);
  if (afterImage === undefined) return undefined;
  const newLayout = layoutOf(afterImage, after);
  const preparing = prepare({ bytes: after, layout: newLayout });
  // Where the old file is no program after all, nobody waits for it.
  preparing.catch(() => {});
  const before = readWhole(old, new ArrayBuffer(old.size));
  const beforeImage = readElf(before);
  if (beforeImage === undefined) return undefined;
  const oldLayout = layoutOf(beforeImage, before);
  if (oldLayout.sections.length > sectionLimit) return undefined;
  const { tables: jumpTables, fields } = normalise(before, oldLayout);
  const seeds = indexSeeds(before);
  const model = modelOf({ ...oldLayout, tables: jumpTables }, newLayout, await preparing);
  const copies = copiesOf(prune(before, after, align(seeds, after, 0)));
  if (copies.count > operationLimit) return undefined;
  const tables = tablesOf(model, copies);
  if (memoryNeeded(blockLimit, tables) > memoryLimit) return undefined;
  return { model, copies, fields, tables };
}

function copiesOf(found: Alignment[]): Copies {
  return {
    count: found.length,
    newStart: Int32Array.from(found, ({ newStart }) => newStart),
    oldStart: Int32Array.from(found, ({ oldStart }) => oldStart),
    size: Int32Array.from(found, ({ size }) => size),
  };
}

function readWhole(file: RandomAccess, memory: ArrayBufferLike): Buffer {
  const bytes = Buffer.from(memory);
  file.read(0, file.size, bytes);
  return bytes;
}
