import { AddressMap } from './addresses.ts';
import { sectionFlag, sectionType, wide, type ElfImage, type ElfSection } from './image.ts';
import type { Layout, Model, ModelSection } from './model.ts';
import { makeUnwindTable } from './unwind.ts';
import { heldLimit } from '../format.ts';

/** A section with its name: what two files are compared by. */
export interface NamedSection extends ModelSection {
  name: string;
}

export interface NamedLayout extends Layout {
  sections: NamedSection[];
}

/** What of a file is code, pointers, tables. Nothing here has to be right: a mistake costs bytes. */
export function layoutOf(image: ElfImage, bytes: Buffer): NamedLayout {
  const sections = image.sections
    .filter(({ size }) => size > 0)
    .flatMap((section) => describe(image, section, bytes))
    .toSorted((a, b) => a.start - b.start);
  let end = 0;
  const apart = sections.filter(({ start, size }) => {
    if (start < end || size <= 0) return false;
    end = start + size;
    return true;
  });
  const last = image.segments.at(-1)!;
  return {
    segments: image.segments,
    sections: apart,
    tables: new Int32Array(0),
    low: image.fixed ? image.segments[0]!.address : 0,
    high: image.fixed ? last.address + last.memory : 0,
  };
}

function describe(image: ElfImage, section: ElfSection, bytes: Buffer): NamedSection[] {
  const { name, type, flags, offset: start, size } = section;
  const one = (kind: ModelSection['kind'], bases: number[] = []) => [{ name, kind, start, size, bases }];
  const loaded = (flags & sectionFlag.allocated) !== 0;
  if (type === sectionType.relocations) return one('relocations');
  if (type === sectionType.symbols || type === sectionType.dynamicSymbols) {
    const names = image.sections[section.link];
    return names === undefined || names.size === 0 ? one('plain') : one('symbols', [names.offset]);
  }
  if (!loaded) return one('plain');
  if (name === '.eh_frame') return one('unwind');
  if (name === '.eh_frame_hdr') return one('unwind-table', [section.address]);
  if (name === '.gopclntab' || name === '.data.rel.ro.gopclntab') return goSections(image, section, bytes);
  if (flags & sectionFlag.executable) return one(image.machine);
  const data = type === 1 || type === sectionType.dynamic || (type >= 14 && type <= 16);
  return one(data && !name.startsWith('.gcc_except_table') ? 'data' : 'plain');
}

/** Magic of the function tables of Go 1.20 and later (internal/abi, debug/gosym), little end first. */
const goMagic = 0xfffffff1;
/** Place of the address of what functions refer to, in Go's description of a module, in words after the tables' own. */
const goDataWord = 40;

/** Cuts Go's function tables into their index, their records, and the rest. */
function goSections(image: ElfImage, section: ElfSection, bytes: Buffer): NamedSection[] {
  const { name, offset: start, size, address } = section;
  const plain = [{ name, kind: 'plain' as const, start, size, bases: [] }];
  if (size < 72 || bytes.readUInt32LE(start) !== goMagic || bytes[start + 7] !== 8) return plain;
  const count = wide(bytes, start + 8);
  const code = wide(bytes, start + 24);
  const [names, tables, index] = [wide(bytes, start + 32), wide(bytes, start + 56), wide(bytes, start + 64)];
  const indexSize = count * 8 + 4;
  if (index + indexSize + 8 > size || names > size || tables > size || code >= 2 ** 31) return plain;
  const at = start + index;
  const first = bytes.readUInt32LE(at + 4);
  const second = bytes.readUInt32LE(at + 12);
  if (first < indexSize || first >= size - index || second <= first) return plain;
  const align = (second - first) % 8 === 0 && first % 8 === 0 ? 8 : 4;
  return [
    { name, kind: 'plain', start, size: index, bases: [] },
    { name: `${name} index`, kind: 'go-table', start: at, size: indexSize - 4, bases: [code, at] },
    {
      name: `${name} functions`,
      kind: 'go-functions',
      start: at + first,
      size: size - index - first,
      bases: [code, start + names, start + tables, goData(image, bytes, address), align],
    },
  ];
}

function goData(image: ElfImage, bytes: Buffer, tables: number): number {
  const word = Buffer.alloc(8);
  word.writeUInt32LE(tables);
  for (const { name, offset, size } of image.sections) {
    if (name !== '.noptrdata' && name !== '.data' && name !== '.go.module' && name !== '.data.rel.ro') continue;
    const data = bytes.subarray(offset, offset + size);
    for (let at = data.indexOf(word); at >= 0; at = data.indexOf(word, at + 1)) {
      if (at % 8 !== 0) continue;
      if (at + 8 * (goDataWord + 1) > size) break;
      const found = wide(data, at + 8 * goDataWord);
      return found < 2 ** 31 ? found : 0;
    }
  }
  return 0;
}

/** Pairs the sections of both files by their names. `unwind`: as it was taken out of the new file. */
export function modelOf(old: NamedLayout, text: NamedLayout, unwind: Model['unwind']): Model {
  const unused = [...text.sections];
  let end = 0;
  const paired = old.sections.map((before): ModelSection => {
    const at = unused.findIndex(({ name, kind }) => name === before.name && kind === before.kind);
    if (at < 0) return { ...before, start: end, size: 0 };
    const [after] = unused.splice(at, 1) as [NamedSection];
    end = after.start + after.size;
    return after;
  });
  return { old, text: { ...text, sections: paired }, unwind };
}

/** Fills the unwind table of a new file with zeros if it can be made again, and says where it was; undefined if it can't. */
export function takeUnwindTable(layout: NamedLayout, bytes: Uint8Array): Model['unwind'] {
  const table = layout.sections.find(({ kind }) => kind === 'unwind-table');
  const records = layout.sections.find(({ kind }) => kind === 'unwind');
  if (table === undefined || records === undefined || records.start < table.start + table.size) return undefined;
  const end = records.start + records.size;
  if (end - table.start > heldLimit) return undefined;
  const addresses = new AddressMap(layout.segments);
  const address = { table: addresses.addressOf(table.start), records: addresses.addressOf(records.start) };
  if (address.table < 0 || address.records < 0) return undefined;
  const held = Buffer.from(bytes.subarray(table.start, end));
  const inHeld = { start: records.start - table.start, size: records.size };
  held.fill(0, 12, table.size);
  if (!makeUnwindTable(held, { start: 0, size: table.size }, inHeld, address)) return undefined;
  if (!held.equals(bytes.subarray(table.start, end))) return undefined;
  bytes.fill(0, table.start + 12, table.start + table.size);
  return {
    tableStart: table.start,
    tableSize: table.size,
    recordsStart: records.start,
    recordsSize: records.size,
  };
}
