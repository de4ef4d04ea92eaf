import { fieldKind, type FieldList } from './field.ts';
import type { AddressMap } from './addresses.ts';
import type { Layout } from './model.ts';
import { int32 } from './x86.ts';

/** Fewer entries are more likely something else. */
const leastEntries = 3;
const lea = 0x8d;

/**
 * Jump tables of x86-64 code that may lie anywhere: distances of code from the table's start, which an instruction loads.
 * Returns pairs of start and number of entries. Memory: four bytes for each such instruction.
 */
export function findJumpTables(bytes: Uint8Array, layout: Layout, addresses: AddressMap, code: FieldList): Int32Array {
  const loaded = loadedBy(code, bytes, addresses);
  const codeRanges = layout.sections
    .filter(({ kind }) => kind === 'x86-64')
    .map(({ start, size }) => {
      const address = addresses.addressOf(start);
      return { from: address, to: address + size };
    });
  const isCode = (address: number) => {
    for (const { from, to } of codeRanges) if (address >= from && address < to) return true;
    return false;
  };
  const tables: number[] = [];
  let next = 0;
  for (const { kind, start, size } of layout.sections) {
    if (kind !== 'data') continue;
    const shift = addresses.addressOf(start) - start;
    while (next < loaded.length && loaded[next]! < start) next++;
    for (; next < loaded.length && loaded[next]! < start + size; next++) {
      const at = loaded[next]!;
      if (at === loaded[next + 1]) continue;
      // A table ends where the next one begins.
      const limit = Math.min(start + size, loaded[next + 1] ?? Infinity);
      let end = at;
      while (end + 4 <= limit && isCode(at + shift + int32(bytes, end))) end += 4;
      const entries = (end - at) / 4;
      if (entries >= leastEntries) tables.push(at, entries);
    }
  }
  return Int32Array.from(tables);
}

/** Offsets divisible by four whose addresses code loads, in order; some more than once. */
function loadedBy(
  { count, kind, base, position, target }: FieldList,
  bytes: Uint8Array,
  addresses: AddressMap,
): Int32Array {
  const loaded = new Int32Array(count);
  let found = 0;
  for (let each = 0; each < count; each++) {
    if (kind[each] !== fieldKind.relative || base[each] !== 4 || bytes[position[each]! - 2] !== lea) continue;
    const offset = addresses.offsetOf(target[each]!);
    if (offset >= 0 && (offset & 3) === 0) loaded[found++] = offset;
  }
  return loaded.subarray(0, found).toSorted();
}
