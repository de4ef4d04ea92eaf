import { ByteReader, ByteWriter } from '../bytes.ts';
import { brokenDelta } from '../failure.ts';
import { elfLimit, heldLimit } from '../format.ts';
import { inOrder } from './addresses.ts';
import type { ElfSegment } from './image.ts';

/** What a section holds; the number in a delta is the index. */
export const sectionKinds = [
  'plain',
  'x86-64',
  'aarch64',
  'relocations',
  'data',
  'unwind',
  'unwind-table',
  'symbols',
  'go-table',
  'go-functions',
] as const;
export type SectionKind = (typeof sectionKinds)[number];

/** Numbers that belong to a section of a kind: what its fields count from. */
export const baseCounts: Record<SectionKind, number> = {
  plain: 0,
  'x86-64': 0,
  aarch64: 0,
  relocations: 0,
  data: 0,
  unwind: 0,
  // Address of the section.
  'unwind-table': 1,
  // Offset of the names.
  symbols: 1,
  // Address of the code, offset of the functions.
  'go-table': 2,
  // Address of the code, offsets of the names and of the tables, address of the data, bytes that records align to.
  'go-functions': 5,
};

export interface ModelSection {
  kind: SectionKind;
  start: number;
  size: number;
  bases: number[];
}

/** How one ELF file is laid out, as far as coding it needs to know. */
export interface Layout {
  segments: ElfSegment[];
  /** In order of their starts, without overlap. */
  sections: ModelSection[];
  /** Starts and numbers of entries of jump tables, in order; only in sections of the kind data. */
  tables: Int32Array;
  /** Numbers of code from `low` up to `high` are addresses. Both 0: none. */
  low: number;
  high: number;
}

/** What a delta says about both files: sections in pairs, one after the other; tables of the old file alone. */
export interface Model {
  old: Layout;
  /** One section for each of the old; those that have gone have the size 0. */
  text: Layout;
  /** Where the unwind table and the unwind records of the new file are, if the table is made from the records. */
  unwind: { tableStart: number; tableSize: number; recordsStart: number; recordsSize: number } | undefined;
}

/** Sections of one file, at most. */
export const sectionLimit = 256;
const tableLimit = 2 ** 19;

export function encodeModel({ old, text, unwind }: Model): Buffer {
  const writer = new ByteWriter();
  for (const { segments } of [old, text]) {
    writer.uvarint(segments.length);
    for (const { offset, address, size, memory } of segments) {
      for (const value of [offset, address, size, memory - size]) writer.uvarint(value);
    }
  }
  writer.uvarint(old.low);
  writer.uvarint(old.high);
  writer.uvarint(old.sections.length);
  let end = 0;
  let shift = 0;
  for (const [at, before] of old.sections.entries()) {
    const after = text.sections[at]!;
    writer.byte(sectionKinds.indexOf(before.kind));
    writer.uvarint(before.start - end);
    writer.uvarint(before.size);
    writer.svarint(after.start - before.start - shift);
    writer.svarint(after.size - before.size);
    for (const [each, base] of before.bases.entries()) {
      writer.uvarint(base);
      writer.svarint(after.bases[each]! - base);
    }
    end = before.start + before.size;
    shift = after.start - before.start;
  }
  writer.uvarint(old.tables.length / 2);
  for (let at = 0, last = 0; at < old.tables.length; at += 2) {
    writer.uvarint(old.tables[at]! - last);
    writer.uvarint(old.tables[at + 1]!);
    last = old.tables[at]! + old.tables[at + 1]! * 4;
  }
  writer.byte(unwind === undefined ? 0 : 1);
  if (unwind !== undefined) {
    writer.uvarint(unwind.tableStart);
    writer.uvarint(unwind.tableSize);
    writer.uvarint(unwind.recordsStart - unwind.tableStart - unwind.tableSize);
    writer.uvarint(unwind.recordsSize);
  }
  return Buffer.from(writer.view());
}

/** Throws a Failure where something lies outside of the files, or is out of order. */
export function decodeModel(reader: ByteReader, oldSize: number, newSize: number): Model {
  const segments = [oldSize, newSize].map((fileSize) =>
    Array.from({ length: bounded(reader.uvarint(), 64) }, (): ElfSegment => {
      const [offset, address, size, more] = [reader.uvarint(), reader.uvarint(), reader.uvarint(), reader.uvarint()];
      bounded(offset + size, fileSize);
      bounded(address + size + more, elfLimit - 1);
      return { offset, address, size, memory: size + more };
    }),
  );
  if (!segments.every(inOrder)) throw wrong();
  const low = bounded(reader.uvarint(), elfLimit - 1);
  const high = bounded(reader.uvarint(), elfLimit - 1);
  const before: ModelSection[] = [];
  const after: ModelSection[] = [];
  let end = 0;
  let shift = 0;
  for (let left = bounded(reader.uvarint(), sectionLimit); left > 0; left--) {
    const kind = sectionKinds[reader.byte()];
    if (kind === undefined) throw brokenDelta('it has a section of a kind that is not known');
    const start = end + reader.uvarint();
    const size = reader.uvarint();
    end = bounded(start + size, oldSize);
    const newStart = start + shift + reader.svarint();
    const sized = size + reader.svarint();
    if (newStart < 0 || sized < 0) throw wrong();
    bounded(newStart + sized, newSize);
    shift = newStart - start;
    const bases: number[] = [];
    const newBases: number[] = [];
    for (let each = 0; each < baseCounts[kind]; each++) {
      const base = bounded(reader.uvarint(), elfLimit - 1);
      bases.push(base);
      newBases.push(bounded(base + reader.svarint(), elfLimit - 1));
    }
    before.push({ kind, start, size, bases });
    after.push({ kind, start: newStart, size: sized, bases: newBases });
  }
  const tables = new Int32Array(2 * bounded(reader.uvarint(), tableLimit));
  for (let at = 0, last = 0; at < tables.length; at += 2) {
    tables[at] = bounded(last + reader.uvarint(), oldSize);
    tables[at + 1] = bounded(reader.uvarint(), elfLimit / 4);
    last = bounded(tables[at]! + tables[at + 1]! * 4, oldSize);
  }
  return {
    old: { segments: segments[0]!, sections: before, tables, low, high },
    text: { segments: segments[1]!, sections: after, tables: new Int32Array(0), low, high },
    unwind: decodeUnwind(reader, newSize),
  };
}

function decodeUnwind(reader: ByteReader, newSize: number): Model['unwind'] {
  const flag = reader.byte();
  if (flag > 1) throw wrong();
  if (flag === 0) return undefined;
  const tableStart = reader.uvarint();
  const tableSize = reader.uvarint();
  const recordsStart = tableStart + tableSize + reader.uvarint();
  const recordsSize = reader.uvarint();
  bounded(recordsStart + recordsSize, newSize);
  bounded(recordsStart + recordsSize - tableStart, heldLimit);
  return { tableStart, tableSize, recordsStart, recordsSize };
}

function bounded(value: number, limit: number): number {
  if (value < 0 || value > limit) throw wrong();
  return value;
}

function wrong(): Error {
  return brokenDelta('its model of the files leads outside of them');
}
