import { fieldKind, type FieldList } from './field.ts';
import { chunkSize, type FileView } from './field-finder.ts';
import { int32 } from './x86.ts';

/** DWARF pointer encodings: four bytes, signed, counted from the pointer; what else counts is not looked at. */
const signed4 = 0x0b;
const unsigned4 = 0x03;
const formMask = 0x0f;
const augmentationLimit = 16;
/** What a common record says about the records that name it: how they point to their own data, 0 for not at all. */
interface Common {
  /** Offset of the personality's pointer from the record's start, 0 for none. */
  personality: number;
  /** Pointers to exception tables are coded so. */
  tables: number;
}

const commonLimit = 1024;
const none: Common = { personality: 0, tables: 0 };

/**
 * Records of .eh_frame (Linux Standard Base, 10.6): their fields, from any chunk on. The first use goes through all of
 * them. Memory: four bytes for each chunk.
 */
export class UnwindRecords {
  readonly #file: FileView;
  readonly #start: number;
  readonly #end: number;
  /** Address minus offset. */
  readonly #loaded: number;
  /** Where the record begins that reaches into a chunk, or -1. */
  readonly #starts: Int32Array;
  readonly #commons = new Map<number, Common>();

  constructor(file: FileView, start: number, size: number, address: number) {
    this.#file = file;
    this.#start = start;
    this.#end = start + size;
    this.#loaded = address - start;
    this.#starts = new Int32Array(Math.floor(this.#end / chunkSize) - Math.floor(start / chunkSize) + 1).fill(-1);
    if (address < 0) return;
    const first = Math.floor(start / chunkSize);
    for (let at = start; at + 8 <= this.#end;) {
      const length = int32(file.view(at, at + 4), 0);
      if (length < 4 || length > this.#end - at - 4) break;
      const next = at + 4 + length;
      for (let chunk = Math.floor(at / chunkSize); chunk <= Math.floor((next - 1) / chunkSize); chunk++) {
        if (this.#starts[chunk - first] === -1) this.#starts[chunk - first] = at;
      }
      at = next;
    }
  }

  find(from: number, to: number, fields: FieldList): void {
    const start = this.#starts[Math.floor(from / chunkSize) - Math.floor(this.#start / chunkSize)] ?? -1;
    if (start < 0) return;
    for (let at = start; at < to && at + 8 <= this.#end;) {
      // Longer than what is looked at in any record.
      const bytes = this.#file.view(at, Math.min(this.#end, at + 32));
      const length = int32(bytes, 0);
      if (length < 4 || length > this.#end - at - 4) return;
      const id = int32(bytes, 4);
      const put = (offset: number, kind: number, target: number) => {
        if (at + offset >= from && at + offset < to) fields.push(at + offset, kind, target | 0, 0);
      };
      const distance = (offset: number, value: number) => {
        put(offset, fieldKind.distance, at + offset + this.#loaded + value);
      };
      if (id === 0) {
        const { personality } = this.#common(at);
        if (personality > 0 && personality + 4 <= length + 4) {
          const pointer = int32(this.#file.view(at + personality, at + personality + 4), 0);
          distance(personality, pointer);
        }
      } else if (length >= 12) {
        const begin = int32(bytes, 8);
        const table = length >= 17 && bytes[16]! >= 4 ? int32(bytes, 17) : 0;
        put(4, fieldKind.back, at + 4 - id);
        distance(8, begin);
        if (table !== 0 && (this.#common(at + 4 - id).tables & formMask) === signed4) distance(17, table);
      }
      at += 4 + length;
    }
  }

  #common(at: number): Common {
    const known = this.#commons.get(at);
    if (known !== undefined) return known;
    if (this.#commons.size === commonLimit) this.#commons.clear();
    const parsed = at >= this.#start && at + 16 <= this.#end ? this.#parse(at) : none;
    this.#commons.set(at, parsed);
    return parsed;
  }

  #parse(at: number): Common {
    const bytes = this.#file.view(at, Math.min(this.#end, at + 64));
    if (int32(bytes, 4) !== 0) return none;
    let next = 9;
    while (next < 9 + augmentationLimit && bytes[next]! > 0) next++;
    const augmentation = Array.from(bytes.subarray(9, next), (byte) => String.fromCharCode(byte));
    if (augmentation[0] !== 'z') return none;
    next++;
    // Alignment of code and data, the return address, the length of the augmentation.
    for (let skipped = 0; skipped < 4; skipped++) while (next < bytes.length && bytes[next++]! >= 0x80);
    const common: Common = { personality: 0, tables: 0 };
    for (const letter of augmentation.slice(1)) {
      if (letter === 'R') next++;
      else if (letter === 'L') common.tables = bytes[next++] ?? 0;
      else if (letter === 'P') {
        const form = bytes[next++]! & formMask;
        if (form !== signed4 && form !== unsigned4) return common;
        common.personality = next;
        next += 4;
      }
    }
    return common;
  }
}

/** One entry of the table for each record of code: where the code begins and where the record is, as addresses. */
const tableHead = 12;
const entrySize = 8;

/**
 * Makes the sorted table of .eh_frame_hdr out of the records that follow it (Linux Standard Base, 10.6.2), into `bytes`,
 * which hold both. Does nothing unless there are exactly as many records as the table has room for. `table` and
 * `records` are places in `bytes`, `address` is that of the first byte. Memory: 16 bytes for each entry.
 */
export function makeUnwindTable(
  bytes: Uint8Array,
  table: { start: number; size: number },
  records: { start: number; size: number },
  address: { table: number; records: number },
): boolean {
  const room = Math.floor((table.size - tableHead) / entrySize);
  if (room < 1 || table.size !== tableHead + room * entrySize) return false;
  const keys = new Float64Array(room);
  let count = 0;
  const end = records.start + records.size;
  for (let at = records.start; at + 8 <= end;) {
    const length = int32(bytes, at);
    if (length < 4 || length > end - at - 4) break;
    if (int32(bytes, at + 4) !== 0) {
      if (count === room || length < 8 || (at - records.start) % 4 !== 0) return false;
      const place = address.records + at - records.start;
      const begin = (place + 8 + int32(bytes, at + 8) - address.table) | 0;
      // Sorted by the code's beginning, then by the order of the records.
      keys[count++] = begin * 2 ** 22 + (at - records.start) / 4;
    }
    at += 4 + length;
  }
  if (count !== room || records.size >= 2 ** 24) return false;
  keys.sort();
  const put = (at: number, value: number) => {
    for (let each = 0; each < 4; each++) bytes[at + each] = value >> (8 * each);
  };
  for (const [at, key] of keys.entries()) {
    const begin = Math.floor(key / 2 ** 22);
    const record = records.start + (key - begin * 2 ** 22) * 4;
    put(table.start + tableHead + at * entrySize, begin);
    put(table.start + tableHead + at * entrySize + 4, address.records - address.table + record - records.start);
  }
  return true;
}
