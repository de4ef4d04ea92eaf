import { pieceLimit, type ElfTables } from '../format.ts';
import type { Model, ModelSection } from './model.ts';
import type { Copies } from './offset-map.ts';

/** What comes next in the new file: so many bytes that are new, or a copy of those at `from`. At most 1 MiB. */
export type Step =
  | { kind: 'insert'; at: number; size: number }
  | { kind: 'copy'; at: number; size: number; from: number };

/** The new file from its start to its end, in pieces. */
export function* stepsOf(copies: Copies, newSize: number): Generator<Step> {
  let at = 0;
  for (let copy = 0; copy <= copies.count; copy++) {
    const start = copy < copies.count ? copies.newStart[copy]! : newSize;
    for (; at < start; at += Math.min(pieceLimit, start - at)) {
      yield { kind: 'insert', at, size: Math.min(pieceLimit, start - at) };
    }
    if (copy === copies.count) return;
    const from = copies.oldStart[copy]! - start;
    const end = start + copies.size[copy]!;
    for (; at < end; at += Math.min(pieceLimit, end - at)) {
      yield { kind: 'copy', at, size: Math.min(pieceLimit, end - at), from: from + at };
    }
  }
}

/** The new section of code that an insertion lies in; undefined when it isn't code or doesn't end in it. */
export function codeSectionOf(sections: readonly ModelSection[], at: number, size: number): ModelSection | undefined {
  // In the new file, sections need not be in order.
  const section = sections.find((each) => at >= each.start && at < each.start + each.size);
  if (section === undefined || at + size > section.start + section.size) return undefined;
  return section.kind === 'x86-64' || section.kind === 'aarch64' ? section : undefined;
}

/** What a decoder has to keep. */
export function tablesOf({ old, unwind }: Model, { count }: Copies): ElfTables {
  const held = unwind === undefined ? 0 : unwind.recordsStart + unwind.recordsSize - unwind.tableStart;
  return { copies: count, jumpTables: old.tables.length / 2, held };
}
