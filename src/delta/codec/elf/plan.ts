import { align, indexSeeds, type Alignment } from '../../align.ts';
import { prune } from '../../prune.ts';
import type { RandomAccess } from '../../source-spool.ts';
import { blockLimit, mebibyte, memoryLimit, memoryNeeded, operationLimit, type ElfTables } from '../format.ts';
import type { Fields } from './field.ts';
import { readElf } from './image.ts';
import { layoutOf, modelOf } from './layout.ts';
import { sectionLimit, type Model } from './model.ts';
import { normalise } from './normalise.ts';
import type { Copies } from './offset-map.ts';
import { tablesOf } from './steps.ts';

/** Both files together, in bytes: they are held at once, and their fields and seeds beside them. */
export const elfSizeLimit = 400 * mebibyte;

/** Everything that is decided before the first byte is written. */
export interface ElfPlan {
  model: Model;
  copies: Copies;
  /** Of the old file. */
  fields: readonly Fields[];
  tables: ElfTables;
}

/**
 * Looks at two ELF files of one machine and finds what of the old is in the new; undefined for all else. Memory: both
 * files, 17 bytes for each field of both and 2 bytes for each of the old: about 3 times the old file and twice the new.
 */
export function planElf(old: RandomAccess, text: RandomAccess): ElfPlan | undefined {
  if (old.size + text.size > elfSizeLimit) return undefined;
  const before = readWhole(old, new ArrayBuffer(old.size));
  const beforeImage = readElf(before);
  if (beforeImage === undefined) return undefined;
  const after = readWhole(text, new ArrayBuffer(text.size));
  const afterImage = readElf(after);
  if (afterImage?.machine !== beforeImage.machine) return undefined;
  const oldLayout = layoutOf(beforeImage, before);
  const newLayout = layoutOf(afterImage, after);
  if (oldLayout.sections.length > sectionLimit) return undefined;
  const model = modelOf(oldLayout, newLayout, after);
  const { tables: jumpTables, fields } = normalise(before, oldLayout);
  model.old.tables = jumpTables;
  normalise(after, newLayout);
  const copies = copiesOf(prune(before, after, align(indexSeeds(before), after, 0)));
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
