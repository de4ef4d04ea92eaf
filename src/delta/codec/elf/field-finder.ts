import { AddressMap } from './addresses.ts';
import { pairReach, sweepAarch64 } from './aarch64.ts';
import { fieldKind, type FieldList } from './field.ts';
import type { Layout, ModelSection } from './model.ts';
import { UnwindRecords } from './unwind.ts';
import { instructionLimit, int32, sweepX86 } from './x86.ts';

/** Bytes of a file by place. A view holds good until the next one. */
export interface FileView {
  size: number;
  view(start: number, end: number): Uint8Array;
}

/** Fields are found in chunks of this size, each by itself: at any place, with the same result. */
export const chunkSize = 1024;
/** Bytes before a chunk of x86-64 code at which its sweep begins, to fall into step. */
const runUp = 64;
const relocationSize = 24;
const symbolSize = 24;
/** R_X86_64_RELATIVE, R_AARCH64_RELATIVE: no machine has both. */
const relative = new Set([8, 0x403]);
/** Smaller numbers are hardly addresses. */
const leastAddress = 0x10000;
const leastInside = 4096;

/** Finds the fields of one file, chunk by chunk. Memory: one chunk, and four bytes for each chunk with records. */
export class FieldFinder {
  readonly #file: FileView;
  readonly #layout: Layout;
  readonly #addresses: AddressMap;
  readonly #lowest: number;
  readonly #highest: number;
  readonly #records = new Map<ModelSection, UnwindRecords>();
  readonly #functions = new Map<ModelSection, Int32Array>();

  constructor(file: FileView, layout: Layout) {
    this.#file = file;
    this.#layout = layout;
    this.#addresses = new AddressMap(layout.segments);
    const first = layout.segments[0]?.address ?? 0;
    const last = layout.segments.at(-1);
    this.#lowest = Math.max(leastAddress, first + leastInside);
    this.#highest = last === undefined ? 0 : last.address + last.memory;
  }

  /** Adds the fields that begin in the chunk; one may reach over its end, or over the next one's beginning. */
  find(chunk: number, fields: FieldList): void {
    const start = chunk * chunkSize;
    const end = start + chunkSize;
    for (let at = this.#firstSection(start); at < this.#layout.sections.length; at++) {
      const section = this.#layout.sections[at]!;
      if (section.start >= end) break;
      const from = Math.max(start, section.start);
      const to = Math.min(end, section.start + section.size);
      if (from < to) this.#findIn(section, from, to, fields);
    }
  }

  #firstSection(position: number): number {
    const { sections } = this.#layout;
    let low = 0;
    let high = sections.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sections[middle]!.start + sections[middle]!.size <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #findIn(section: ModelSection, from: number, to: number, fields: FieldList): void {
    switch (section.kind) {
      case 'x86-64':
        return this.#x86(section, from, to, fields);
      case 'aarch64':
        return this.#aarch64(section, from, to, fields);
      case 'relocations':
        return this.#relocations(section, from, to, fields);
      case 'data':
        return this.#data(section, from, to, fields);
      case 'unwind':
        return this.#unwind(section, from, to, fields);
      case 'unwind-table':
        return this.#unwindTable(section, from, to, fields);
      case 'symbols':
        return this.#symbols(section, from, to, fields);
      case 'go-table':
        return this.#goTable(section, from, to, fields);
      case 'go-functions':
        return this.#goFunctions(section, from, to, fields);
      case 'plain':
        return;
    }
  }

  #x86(section: ModelSection, from: number, to: number, fields: FieldList): void {
    const end = section.start + section.size - instructionLimit;
    const start = Math.max(section.start, from - runUp);
    const address = this.#addresses.addressOf(start);
    if (start >= end || address < 0) return;
    const stop = Math.min(to, end);
    const bytes = this.#file.view(start, stop + instructionLimit);
    // A field after the last instruction that begins in time still belongs to the section.
    sweepX86(bytes, from - start, stop - start, start, address, this.#layout.low, this.#layout.high, fields);
  }

  #aarch64(section: ModelSection, from: number, to: number, fields: FieldList): void {
    const start = Math.max(section.start, from - pairReach);
    const address = this.#addresses.addressOf(start);
    if (address < 0 || section.start % 4 !== 0) return;
    const bytes = this.#file.view(start, Math.min(to + pairReach, section.start + section.size));
    sweepAarch64(bytes, from - start, to - start, start, address, fields);
  }

  #relocations(section: ModelSection, from: number, to: number, fields: FieldList): void {
    this.#entries(section, from, to, relocationSize, (bytes, at, position) => {
      const put = (offset: number) => {
        const place = position + offset;
        if (place >= from && place < to) fields.push(place, fieldKind.address, int32(bytes, at + offset), 0);
      };
      put(0);
      if (relative.has(int32(bytes, at + 8)) && int32(bytes, at + 12) === 0) put(16);
    });
  }

  #symbols(section: ModelSection, from: number, to: number, fields: FieldList): void {
    const names = section.bases[0]!;
    this.#entries(section, from, to, symbolSize, (bytes, at, position) => {
      const name = int32(bytes, at);
      if (name !== 0 && position >= from) fields.push(position, fieldKind.fromOffset, (names + name) | 0, 0);
      const value = int32(bytes, at + 8);
      if (value !== 0 && position + 8 >= from && position + 8 < to) {
        fields.push(position + 8, fieldKind.address, value, 0);
      }
    });
  }

  #goTable(section: ModelSection, from: number, to: number, fields: FieldList): void {
    const [code, functions] = section.bases as [number, number];
    this.#entries(section, from, to, 8, (bytes, at, position) => {
      if (position >= from) fields.push(position, fieldKind.fromAddress, (code + int32(bytes, at)) | 0, 0);
      if (position + 4 >= from && position + 4 < to) {
        fields.push(position + 4, fieldKind.fromOffset, (functions + int32(bytes, at + 4)) | 0, 1);
      }
    });
  }

  #unwindTable(section: ModelSection, from: number, to: number, fields: FieldList): void {
    const base = section.bases[0]!;
    const pointer = section.start + 4;
    if (pointer >= from && pointer < to && section.size >= 12) {
      const value = int32(this.#file.view(pointer, pointer + 4), 0);
      fields.push(pointer, fieldKind.distance, (this.#addresses.addressOf(pointer) + value) | 0, 0);
    }
    const entries = { ...section, start: section.start + 12, size: section.size - 12 };
    this.#entries(entries, Math.max(from, entries.start), to, 4, (bytes, at, position) => {
      fields.push(position, fieldKind.fromAddress, (base + int32(bytes, at)) | 0, 0);
    });
  }

  /** Calls `found` for the whole entries that begin or go on between `from` and `to`. */
  #entries(
    section: ModelSection,
    from: number,
    to: number,
    size: number,
    found: (bytes: Uint8Array, at: number, position: number) => void,
  ): void {
    const first = Math.floor((from - section.start) / size);
    const last = Math.min(Math.ceil((to - section.start) / size), Math.floor(section.size / size));
    if (from >= to || first >= last) return;
    const start = section.start + first * size;
    const bytes = this.#file.view(start, section.start + last * size);
    for (let at = 0; at < bytes.length; at += size) found(bytes, at, start + at);
  }

  /** Jump tables, and numbers of eight bytes at places divisible by eight that can be addresses. */
  #data(section: ModelSection, from: number, to: number, fields: FieldList): void {
    const { tables } = this.#layout;
    let table = this.#firstTable(from);
    const last = section.start + section.size;
    const bytes = this.#file.view(from, Math.min(last, to + 7));
    for (let at = from; at < to;) {
      if (table < tables.length && at >= tables[table]!) {
        const start = tables[table]!;
        const end = start + tables[table + 1]! * 4;
        const base = this.#addresses.addressOf(start);
        // The table may have begun before this chunk.
        for (at += (start - at) & 3; at < Math.min(to, end); at += 4) {
          if (at + 4 > last) break;
          fields.push(at, fieldKind.table, (base + int32(bytes, at - from)) | 0, base);
        }
        if (at < end) break;
        table += 2;
        continue;
      }
      const next = table < tables.length ? Math.min(to, tables[table]!) : to;
      for (at += -at & 7; at < next; at += 8) {
        if (at + 8 > last) break;
        if (int32(bytes, at - from + 4) !== 0) continue;
        const value = int32(bytes, at - from);
        if (value >= this.#lowest && value < this.#highest) fields.push(at, fieldKind.address, value, 0);
      }
      at = next;
    }
  }

  /** Index of the first table that ends after `position`. */
  #firstTable(position: number): number {
    const { tables } = this.#layout;
    let low = 0;
    let high = tables.length / 2;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (tables[2 * middle]! + 4 * tables[2 * middle + 1]! <= position) low = middle + 1;
      else high = middle;
    }
    return 2 * low;
  }

  #unwind(section: ModelSection, from: number, to: number, fields: FieldList): void {
    let records = this.#records.get(section);
    if (records === undefined) {
      const address = this.#addresses.addressOf(section.start);
      records = new UnwindRecords(this.#file, section.start, section.size, address);
      this.#records.set(section, records);
    }
    records.find(from, to, fields);
  }

  #goFunctions(section: ModelSection, from: number, to: number, fields: FieldList): void {
    let starts = this.#functions.get(section);
    if (starts === undefined) {
      starts = scanGoFunctions(this.#file, section);
      this.#functions.set(section, starts);
    }
    findGoFunctions(this.#file, section, starts, from, to, fields);
  }
}

/** Parts of a Go function record: entry, name, stack, file, line; then its own tables (runtime/symtab.go, Go 1.20). */
const goHead = 44;
const goTables = 64;
const goData = 32;

function goRecordSize(head: Uint8Array, align: number): number {
  const tables = int32(head, 28) >>> 0;
  const data = head[43]!;
  if (tables > goTables || data > goData) return 0;
  return Math.ceil((goHead + 4 * (tables + data)) / align) * align;
}

/** For each chunk, where the record begins that reaches into it; -1 where the records have ended. */
function scanGoFunctions(file: FileView, section: ModelSection): Int32Array {
  const align = section.bases[4]!;
  const first = Math.floor(section.start / chunkSize);
  const end = section.start + section.size;
  const starts = new Int32Array(Math.floor(end / chunkSize) - first + 1).fill(-1);
  if (align < 4 || align > 64) return starts;
  for (let at = section.start; at + goHead <= end;) {
    const size = goRecordSize(file.view(at, at + goHead), align);
    if (size === 0) break;
    for (let chunk = Math.floor(at / chunkSize); chunk <= Math.floor((at + size - 1) / chunkSize); chunk++) {
      const slot = chunk - first;
      if (slot < starts.length && starts[slot] === -1) starts[slot] = at;
    }
    at += size;
  }
  return starts;
}

function findGoFunctions(
  file: FileView,
  section: ModelSection,
  starts: Int32Array,
  from: number,
  to: number,
  fields: FieldList,
): void {
  const align = section.bases[4]!;
  const end = section.start + section.size;
  const start = starts[Math.floor(from / chunkSize) - Math.floor(section.start / chunkSize)] ?? -1;
  if (start < 0) return;
  const longest = goHead + 4 * (goTables + goData);
  const bytes = file.view(start, Math.min(end, to + longest));
  for (let at = 0; start + at < to && at + goHead <= bytes.length;) {
    const head = bytes.subarray(at, at + goHead);
    const size = goRecordSize(head, align);
    if (size === 0 || at + size > bytes.length) return;
    const put = (offset: number, kind: number, base: number) => {
      const position = start + at + offset;
      if (position < from || position >= to) return;
      fields.push(position, kind, (section.bases[base]! + int32(bytes, at + offset)) | 0, base);
    };
    put(0, fieldKind.fromAddress, 0);
    put(4, fieldKind.fromOffset, 1);
    for (const offset of [16, 20, 24]) if (int32(bytes, at + offset) !== 0) put(offset, fieldKind.fromOffset, 2);
    const tables = int32(head, 28);
    for (let each = 0; each < tables; each++) {
      if (int32(bytes, at + goHead + 4 * each) !== 0) put(goHead + 4 * each, fieldKind.fromOffset, 2);
    }
    for (let each = tables; each < tables + head[43]!; each++) {
      if (int32(bytes, at + goHead + 4 * each) !== -1) put(goHead + 4 * each, fieldKind.fromAddress, 3);
    }
    at += size;
  }
}
