import { fieldKind, type FieldList } from './field.ts';
import type { AddressMap } from './addresses.ts';
import type { Layout } from './model.ts';
import { int32 } from './x86.ts';

/** Fewer entries are more likely something else. */
const leastEntries = 3;
const lea = 0x8d;

/**
 * Jump tables of x86-64 code that may lie anywhere: distances of code from the table's start, which an instruction loads.
 * Returns pairs of start and number of entries. Memory: one bit for each four bytes of data.
 */
export function findJumpTables(bytes: Buffer, layout: Layout, addresses: AddressMap, code: FieldList): Int32Array {
  const loaded = new Uint8Array((bytes.length >> 5) + 1);
  for (let each = 0; each < code.count; each++) {
    if (code.kind[each] !== fieldKind.relative || code.base[each] !== 4) continue;
    if (bytes[code.position[each]! - 2] !== lea) continue;
    const offset = addresses.offsetOf(code.target[each]!);
    if (offset >= 0 && (offset & 3) === 0) loaded[offset >> 5]! |= 1 << ((offset >> 2) & 7);
  }
  const isLoaded = (offset: number) => (loaded[offset >> 5]! & (1 << ((offset >> 2) & 7))) !== 0;
  const codeRanges = layout.sections
    .filter(({ kind }) => kind === 'x86-64')
    .map(({ start, size }) => {
      const address = addresses.addressOf(start);
      return { from: address, to: address + size };
    });
  const isCode = (address: number) => codeRanges.some(({ from, to }) => address >= from && address < to);
  const tables: number[] = [];
  for (const { kind, start, size } of layout.sections) {
    if (kind !== 'data') continue;
    const shift = addresses.addressOf(start) - start;
    for (let at = (start + 3) & ~3; at + 4 <= start + size;) {
      let end = at;
      if (isLoaded(at)) {
        while (end + 4 <= start + size && (end === at || !isLoaded(end)) && isCode(at + shift + int32(bytes, end))) {
          end += 4;
        }
      }
      const entries = (end - at) / 4;
      if (entries >= leastEntries) tables.push(at, entries);
      at = Math.max(at + 4, end);
    }
  }
  return Int32Array.from(tables);
}
