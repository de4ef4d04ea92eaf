import { operandMask } from './aarch64.ts';
import { AddressMap } from './addresses.ts';
import { chunkSize, FieldFinder } from './field-finder.ts';
import { fieldKind, FieldList } from './field.ts';
import { findJumpTables } from './jump-tables.ts';
import type { Layout } from './model.ts';
import { int32 } from './x86.ts';

/** Bytes at a target that tell which target it is. */
const labelSize = 24;

/**
 * Replaces the fields in `bytes` by labels of what they name: the same code is the same bytes then, wherever it stands.
 * Finds jump tables on the way, into `layout`. Returns the fields, those of code and the others, in order of position.
 * Memory: 17 bytes for each field.
 */
export function normalise(bytes: Buffer, layout: Layout): FieldList[] {
  const addresses = new AddressMap(layout.segments);
  const code = fieldsOf(bytes, layout, true);
  layout.tables = findJumpTables(bytes, layout, addresses, code);
  const lists = [code, fieldsOf(bytes, layout, false)];
  for (const list of lists) blank(bytes, list);
  // All labels first: they are made of what is blank.
  const labelled = lists.map((fields) => ({ fields, labels: labelsOf(bytes, fields, addresses) }));
  for (const { fields, labels } of labelled) {
    for (let each = 0; each < fields.count; each++) {
      const at = fields.position[each]!;
      const mask = maskOf(fields.kind[each]!);
      put(bytes, at, (int32(bytes, at) & ~mask) | (labels[each]! & mask));
    }
  }
  return lists;
}

function fieldsOf(bytes: Buffer, layout: Layout, code: boolean): FieldList {
  const wanted = layout.sections.filter(({ kind }) => (kind === 'x86-64' || kind === 'aarch64') === code);
  const file = { size: bytes.length, view: (start: number, end: number) => bytes.subarray(start, end) };
  const finder = new FieldFinder(file, { ...layout, sections: wanted });
  const fields = new FieldList();
  let next = 0;
  for (const { start, size, kind } of wanted) {
    if (kind === 'plain') continue;
    const last = Math.floor((start + size - 1) / chunkSize);
    for (let chunk = Math.max(next, Math.floor(start / chunkSize)); chunk <= last; chunk++) finder.find(chunk, fields);
    next = Math.max(next, last + 1);
  }
  return fields;
}

function maskOf(kind: number): number {
  return operandMask[kind] ?? -1;
}

function blank(bytes: Buffer, { count, position, kind }: FieldList): void {
  for (let each = 0; each < count; each++) {
    const at = position[each]!;
    put(bytes, at, int32(bytes, at) & ~maskOf(kind[each]!));
  }
}

function labelsOf(bytes: Buffer, { count, kind, target }: FieldList, addresses: AddressMap): Int32Array {
  const labels = new Int32Array(count);
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let each = 0; each < count; each++) {
    const named = kind[each] === fieldKind.fromOffset;
    const place = named || kind[each] === fieldKind.back ? target[each]! : addresses.offsetOf(target[each]!);
    if (place < 0 || place + labelSize + 8 > bytes.length) continue;
    let hash = 0;
    // Names and short tables end with a zero; what follows them is another one's.
    if (named && bytes[place] !== 0) {
      for (let at = place; at < place + labelSize && bytes[at] !== 0; at++) {
        hash = (Math.imul(hash, 0x01000193) + bytes[at]!) | 0;
      }
    } else {
      for (let at = place; at < place + labelSize; at += 4) {
        hash = Math.imul(hash ^ words.getInt32(at, true), 0x9e3779b1);
        hash ^= hash >>> 15;
      }
    }
    labels[each] = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  }
  return labels;
}

function put(bytes: Buffer, at: number, word: number): void {
  bytes[at] = word;
  bytes[at + 1] = word >> 8;
  bytes[at + 2] = word >> 16;
  bytes[at + 3] = word >> 24;
}
