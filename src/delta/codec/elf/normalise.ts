import { operandMask } from './aarch64.ts';
import { AddressMap } from './addresses.ts';
import { chunkSize, FieldFinder } from './field-finder.ts';
import { fieldKind, FieldList } from './field.ts';
import { findJumpTables } from './jump-tables.ts';
import type { Layout } from './model.ts';
import { int32 } from './x86.ts';

/** Bytes at a target that tell which target it is. */
const labelSize = 24;

/** What a file has of its own. */
export interface Normalised {
  /** Jump tables, as in a layout. */
  tables: Int32Array;
  /** Of code, and the others. */
  fields: readonly [FieldList, FieldList];
}

/**
 * Replaces the fields in `bytes` by labels of what they name: the same code is the same bytes then, wherever it stands.
 * Finds jump tables on the way. Memory: 17 bytes for each field.
 */
export function normalise(bytes: Uint8Array, layout: Layout): Normalised {
  const addresses = new AddressMap(layout.segments);
  const code = fieldsOf(bytes, layout, true);
  const tables = findJumpTables(bytes, layout, addresses, code);
  const fields = [code, fieldsOf(bytes, { ...layout, tables }, false)] as const;
  for (const list of fields) blank(bytes, list);
  // All labels first: they are made of what is blank.
  const labels = fields.map((list) => labelsOf(bytes, list, addresses));
  for (const [at, list] of fields.entries()) putLabels(bytes, list, labels[at]!);
  return { tables, fields };
}

function fieldsOf(bytes: Uint8Array, layout: Layout, code: boolean): FieldList {
  const wanted = layout.sections.filter(({ kind }) => (kind === 'x86-64' || kind === 'aarch64') === code);
  // Views of a Buffer would take several times as long to make.
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  const file = { size: bytes.length, view: (start: number, end: number) => plain.subarray(start, end) };
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

/** Bits of a field that say where something is, by kind: all, but in instructions of aarch64. */
const masks = Int32Array.from({ length: fieldKind.lowLoad + 1 }, (_, kind) => operandMask[kind] ?? -1);

function blank(bytes: Uint8Array, { count, position, kind }: FieldList): void {
  for (let each = 0; each < count; each++) {
    const at = position[each]!;
    put(bytes, at, int32(bytes, at) & ~masks[kind[each]!]!);
  }
}

function putLabels(bytes: Uint8Array, { count, position, kind }: FieldList, labels: Int32Array): void {
  for (let each = 0; each < count; each++) {
    const at = position[each]!;
    const mask = masks[kind[each]!]!;
    // Fields may overlap: the last one counts.
    put(bytes, at, (int32(bytes, at) & ~mask) | (labels[each]! & mask));
  }
}

function labelsOf(bytes: Uint8Array, { count, kind, target }: FieldList, addresses: AddressMap): Int32Array {
  const labels = new Int32Array(count);
  for (let each = 0; each < count; each++) {
    const named = kind[each] === fieldKind.fromOffset;
    const place = named || kind[each] === fieldKind.back ? target[each]! : addresses.offsetOf(target[each]!);
    if (place < 0 || place + labelSize + 8 > bytes.length) continue;
    // Names and short tables end with a zero; what follows them is another one's.
    const hash = named && bytes[place] !== 0 ? hashOfName(bytes, place) : hashOf(bytes, place);
    labels[each] = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  }
  return labels;
}

const multiplier = 0x01000193;

/** Of `labelSize` bytes, the last of which weighs 1, each before it `multiplier` times more. */
function hashOf(bytes: Uint8Array, place: number): number {
  let hash = 0;
  for (let at = place; at < place + labelSize; at += 4) {
    // One long multiplication instead of four: the processor does the others meanwhile.
    const four =
      Math.imul(bytes[at]!, cube) + Math.imul(bytes[at + 1]!, square) + Math.imul(bytes[at + 2]!, multiplier);
    hash = (Math.imul(hash, fourth) + four + bytes[at + 3]!) | 0;
  }
  return hash;
}

const square = Math.imul(multiplier, multiplier);
const cube = Math.imul(square, multiplier);
const fourth = Math.imul(square, square);

/** The same of a name, to its end. */
function hashOfName(bytes: Uint8Array, place: number): number {
  let hash = 0;
  for (let at = place; at < place + labelSize && bytes[at] !== 0; at++) {
    hash = (Math.imul(hash, multiplier) + bytes[at]!) | 0;
  }
  return hash;
}

function put(bytes: Uint8Array, at: number, word: number): void {
  bytes[at] = word;
  bytes[at + 1] = word >> 8;
  bytes[at + 2] = word >> 16;
  bytes[at + 3] = word >> 24;
}
