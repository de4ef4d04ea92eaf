/** A small linker: makes ELF files that hold what codecs look for, out of a list of functions. */

export interface MadeFunction {
  name: string;
  /** What it does, in order: calls and loads by name, anything else as bytes. */
  body: ({ call: string } | { load: string } | { bytes: number[] })[];
}

export interface Program {
  machine: 'x86-64' | 'aarch64';
  /** Position-dependent programs hold addresses in their code. */
  fixed?: boolean;
  functions: MadeFunction[];
  /** Constants by name; each gets a pointer in .data, too. */
  constants: { name: string; bytes: Buffer }[];
  /** With the function tables that Go 1.20 and later writes. */
  go?: boolean;
}

const le = (value: number, size = 4) => {
  const bytes = Buffer.alloc(size);
  bytes.writeInt32LE(value | 0);
  return bytes;
};

function functionSize(machine: Program['machine'], made: MadeFunction): number {
  const sizes = machine === 'x86-64' ? { call: 5, load: 7 } : { call: 4, load: 8 };
  const size = made.body.reduce(
    (sum, part) => sum + ('call' in part ? sizes.call : 'load' in part ? sizes.load : part.bytes.length),
    machine === 'x86-64' ? 1 : 4,
  );
  return Math.ceil(size / 16) * 16;
}

function code({ machine }: Program, made: MadeFunction, start: number, places: Map<string, number>): Buffer {
  const parts: Buffer[] = [];
  let at = start;
  const put = (...bytes: Buffer[]) => {
    for (const each of bytes) {
      parts.push(each);
      at += each.length;
    }
  };
  for (const part of made.body) {
    if ('bytes' in part) put(Buffer.from(part.bytes));
    else {
      const target = places.get('call' in part ? part.call : part.load)!;
      if (machine === 'x86-64') {
        const opcode = 'call' in part ? [0xe8] : [0x48, 0x8d, 0x3d];
        put(Buffer.from(opcode), le(target - (at + opcode.length + 4)));
      } else if ('call' in part) put(le(0x94000000 | (((target - at) >> 2) & 0x3ffffff)));
      else {
        const pages = (target >> 12) - (at >> 12);
        put(le(0x90000000 | ((pages & 3) << 29) | (((pages >> 2) & 0x7ffff) << 5)));
        put(le(0x91000000 | ((target & 0xfff) << 10)));
      }
    }
  }
  put(machine === 'x86-64' ? Buffer.from([0xc3]) : le(0xd65f03c0 | 0));
  const size = functionSize(machine, made);
  const filler = machine === 'x86-64' ? Buffer.from([0x90]) : le(0xd503201f | 0);
  return Buffer.concat([...parts, Buffer.alloc(start + size - at, filler)]);
}

export function makeElf(program: Program): Buffer {
  const { machine, functions, constants, fixed = false, go = false } = program;
  const base = fixed ? 0x400000 : 0x10000;
  const count = functions.length;
  const names = ['', ...functions.map(({ name }) => name)];
  const strings = Buffer.from(`${names.join('\0')}\0`, 'latin1');
  const sizes = functions.map((each) => functionSize(machine, each));
  const textSize = sizes.reduce((sum, size) => sum + size, 0);
  const tableSize = 4 * Math.max(4, Math.min(count, 40));
  const layout: { name: string; type: number; flags: number; size: number; align: number; at: number }[] = [];
  let end = 64 + 56;
  const place = (name: string, type: number, flags: number, size: number, align = 16) => {
    const at = Math.ceil(end / align) * align;
    end = at + size;
    layout.push({ name, type, flags, size, align, at });
    return at;
  };
  const rela = place('.rela.dyn', 4, 2, 24 * constants.length);
  const text = place('.text', 1, 6, textSize);
  const rodata = place('.rodata', 1, 2, tableSize + constants.reduce((sum, { bytes }) => sum + bytes.length, 0), 64);
  const table = place('.eh_frame_hdr', 1, 2, 12 + 8 * count, 4);
  const frame = place('.eh_frame', 1, 2, 24 + 24 * count + 4, 8);
  const data = place('.data', 1, 3, 8 * constants.length, 16);
  const tables = go ? place('.gopclntab', 1, 2, goTables(program, base + text, sizes).length, 32) : 0;
  // Where Go's linker says what functions refer to: the tables' address, and 40 words later that of the data.
  const module = go ? place('.noptrdata', 1, 3, 8 * 41, 16) : 0;
  const loadedEnd = end;
  const symbols = place('.symtab', 2, 0, 24 * (count + 1), 8);
  const stringsAt = place('.strtab', 3, 0, strings.length, 1);
  const sectionNames = Buffer.from(`\0${layout.map(({ name }) => name).join('\0')}\0.shstrtab\0`, 'latin1');
  const namesAt = place('.shstrtab', 3, 0, sectionNames.length, 1);
  const headers = Math.ceil(end / 8) * 8;
  const file = Buffer.alloc(headers + 64 * (layout.length + 1));

  const places = new Map<string, number>();
  const starts: number[] = [];
  let at = text + base;
  for (const [each, { name }] of functions.entries()) {
    places.set(name, at);
    starts.push(at);
    at += sizes[each]!;
  }
  at = rodata + base + tableSize;
  for (const { name, bytes } of constants) {
    places.set(name, at);
    bytes.copy(file, at - base);
    at += bytes.length;
  }
  places.set('table', rodata + base);
  for (const [each, made] of functions.entries()) {
    code(program, made, starts[each]!, places).copy(file, starts[each]! - base);
  }
  for (let entry = 0; entry < tableSize / 4; entry++) {
    le((starts[entry % Math.max(1, count)] ?? text + base) - (rodata + base)).copy(file, rodata + 4 * entry);
  }
  for (const [each, { name }] of constants.entries()) {
    file.writeBigUInt64LE(BigInt(places.get(name)!), data + 8 * each);
    file.writeBigUInt64LE(BigInt(data + base + 8 * each), rela + 24 * each);
    file.writeBigUInt64LE(machine === 'x86-64' ? 8n : 0x403n, rela + 24 * each + 8);
    file.writeBigUInt64LE(BigInt(places.get(name)!), rela + 24 * each + 16);
  }
  // A common record with the augmentation zR, then one for each function.
  Buffer.from([20, 0, 0, 0, 0, 0, 0, 0, 1, 0x7a, 0x52, 0, 1, 0x78, 16, 1, 0x1b, 12, 7, 8, 0x90, 1, 0, 0]).copy(
    file,
    frame,
  );
  for (let each = 0; each < count; each++) {
    const record = frame + 24 + 24 * each;
    le(20).copy(file, record);
    le(record + 4 - frame).copy(file, record + 4);
    le(starts[each]! - (record + 8 + base)).copy(file, record + 8);
    le(sizes[each]!).copy(file, record + 12);
  }
  Buffer.from([1, 0x1b, 3, 0x3b]).copy(file, table);
  le(frame - (table + 4)).copy(file, table + 4);
  le(count).copy(file, table + 8);
  for (let each = 0; each < count; each++) {
    le(starts[each]! - (table + base)).copy(file, table + 12 + 8 * each);
    le(frame + 24 + 24 * each - table).copy(file, table + 16 + 8 * each);
  }
  if (go) {
    goTables(program, base + text, sizes).copy(file, tables);
    file.writeBigUInt64LE(BigInt(tables + base), module);
    file.writeBigUInt64LE(BigInt(rodata + base), module + 320);
  }
  let name = 1;
  for (const [each, { name: called }] of functions.entries()) {
    const symbol = symbols + 24 * (each + 1);
    le(name).copy(file, symbol);
    le(starts[each]!).copy(file, symbol + 8);
    le(sizes[each]!).copy(file, symbol + 16);
    name += called.length + 1;
  }
  strings.copy(file, stringsAt);
  sectionNames.copy(file, namesAt);

  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]).copy(file);
  file.writeUInt16LE(fixed ? 2 : 3, 16);
  file.writeUInt16LE(machine === 'x86-64' ? 62 : 183, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BigInt(64), 32);
  file.writeBigUInt64LE(BigInt(headers), 40);
  for (const [offset, value] of [
    [52, 64],
    [54, 56],
    [56, 1],
    [58, 64],
    [60, layout.length + 1],
    [62, layout.length],
  ]) {
    file.writeUInt16LE(value!, offset!);
  }
  file.writeUInt32LE(1, 64);
  file.writeUInt32LE(7, 68);
  for (const [offset, value] of [
    [72, 0],
    [80, base],
    [88, base],
    [96, loadedEnd],
    [104, loadedEnd + 4096],
  ]) {
    file.writeBigUInt64LE(BigInt(value!), offset!);
  }
  let nameAt = 1;
  for (const [each, section] of layout.entries()) {
    const header = headers + 64 * (each + 1);
    file.writeUInt32LE(nameAt, header);
    file.writeUInt32LE(section.type, header + 4);
    file.writeUInt32LE(section.flags, header + 8);
    file.writeBigUInt64LE(BigInt(section.flags & 2 ? section.at + base : 0), header + 16);
    file.writeBigUInt64LE(BigInt(section.at), header + 24);
    file.writeBigUInt64LE(BigInt(section.size), header + 32);
    file.writeUInt32LE(section.type === 2 ? layout.findIndex(({ name: of }) => of === '.strtab') + 1 : 0, header + 40);
    nameAt += section.name.length + 1;
  }
  return file;
}

/** A program of `count` functions that call each other, the same for the same seed. */
export function sampleProgram(machine: Program['machine'], count: number, seed = 1, fixed = false): Program {
  let state = seed;
  const random = (below: number) => {
    state = (Math.imul(state, 0x41c64e6d) + 12345) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const plain =
    machine === 'x86-64'
      ? [[0x55], [0x48, 0x89, 0xe5], [0x83, 0xc0, 7], [0x85, 0xc0], [0x0f, 0xb6, 0xc0], [0x66, 0x90], [0x31, 0xd2]]
      : [
          [0xe0, 0x03, 0x01, 0xaa],
          [0x21, 0x04, 0x00, 0x91],
          [0x1f, 0x20, 0x03, 0xd5],
          [0x42, 0x00, 0x03, 0x8b],
        ];
  const constants = Array.from({ length: 20 + (count >> 2) }, (_, at) => ({
    name: `constant${at}`,
    bytes: Buffer.from(`the constant ${at} of ${seed}, ${random(1e9)}`.padEnd(48 + 16 * random(3), '.')),
  }));
  const functions = Array.from({ length: count }, (_, at) => ({
    name: `function${at}of${seed}`,
    body: Array.from({ length: 4 + random(24) }, () => {
      const what = random(4);
      if (what === 0) return { call: `function${random(count)}of${seed}` };
      if (what === 1) return { load: random(10) === 0 ? 'table' : constants[random(constants.length)]!.name };
      return { bytes: plain[random(plain.length)]! };
    }),
  }));
  return { machine, fixed, functions, constants };
}

/** pclntab: head, names, tables of each function, index, records (debug/gosym reads the same). */
function goTables({ functions }: Program, textStart: number, sizes: number[]): Buffer {
  const count = functions.length;
  const names = Buffer.from(functions.map(({ name }) => `main.${name}\0`).join(''), 'latin1');
  const lines = Buffer.concat(functions.map(({ body }) => Buffer.from([2, body.length, 4, 1 + (body.length % 9), 0])));
  const head = 72;
  const tablesAt = head + names.length;
  const index = Math.ceil((tablesAt + lines.length) / 8) * 8;
  const recordsAt = Math.ceil((count * 8 + 4) / 8) * 8;
  const records: Buffer[] = [];
  let [entry, name, line, at] = [0, 0, 0, recordsAt];
  const file = Buffer.alloc(index + recordsAt);
  for (const [each, made] of functions.entries()) {
    const data = each % 3;
    const record = Buffer.alloc(Math.ceil((44 + 4 * (2 + data)) / 8) * 8);
    for (const [offset, value] of [
      [0, entry],
      [4, name],
      [16, line],
      [20, line],
      [24, line],
      [28, 2],
      [44, line],
    ]) {
      record.writeUInt32LE(value!, offset!);
    }
    record[43] = data;
    for (let which = 0; which < data; which++) record.writeInt32LE(which === 0 ? 8 * each : -1, 52 + 4 * which);
    file.writeUInt32LE(entry, index + 8 * each);
    file.writeUInt32LE(at, index + 8 * each + 4);
    records.push(record);
    entry += sizes[each]!;
    name += made.name.length + 6;
    line += 5;
    at += record.length;
  }
  file.writeUInt32LE(entry, index + 8 * count);
  file.writeUInt32LE(0xfffffff1, 0);
  file[6] = 1;
  file[7] = 8;
  const words = [count, 0, textStart, head, tablesAt, tablesAt, tablesAt, index];
  for (const [word, value] of words.entries()) file.writeBigUInt64LE(BigInt(value), 8 + 8 * word);
  names.copy(file, head);
  lines.copy(file, tablesAt);
  return Buffer.concat([file, ...records]);
}
