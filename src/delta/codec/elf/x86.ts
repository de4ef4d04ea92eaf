import { fieldKind, type FieldList } from './field.ts';

/**
 * How x86-64 instructions continue after their opcode, by opcode (Intel's manual, volume 2, appendix A):
 * `.` nothing, `m` ModRM, `b` 1 byte, `w` 2, `e` 3, `z` 4 (2 after 66), `M` ModRM and 1, `Z` ModRM and 4 (2 after 66),
 * `v` 4 (2 after 66, 8 after REX.W), `o` 8, `j` a distance of 4, `g` and `G` ModRM and for its first two operations 1 or
 * 4 (2 after 66), `p` a prefix, `2` a second table, `x` `X` `E` VEX of 2 and 3 bytes and EVEX.
 */
const oneByte =
  'mmmmbz..mmmmbz.2' +
  'mmmmbz..mmmmbz..' +
  'mmmmbzp.mmmmbzp.' +
  'mmmmbzp.mmmmbzp.' +
  'pppppppppppppppp' +
  '................' +
  '..EmppppzZbM....' +
  'bbbbbbbbbbbbbbbb' +
  'MZ.Mmmmmmmmmmmmm' +
  '................' +
  'oooo....bz......' +
  'bbbbbbbbvvvvvvvv' +
  'MMw.XxMZe.w..b..' +
  'mmmm....mmmmmmmm' +
  'bbbbbbbbjj.b....' +
  'p.pp..gG......mm';
/** After 0F: `3` and `A` are tables of their own, in which all have ModRM, and in `A` a byte. */
const twoByte =
  'mmmmm.....m.mm.m' +
  'mmmmmmmmmmmmmmmm' +
  'mmmmmmmmmmmmmmmm' +
  '........3mAmmmmm' +
  'mmmmmmmmmmmmmmmm' +
  'mmmmmmmmmmmmmmmm' +
  'mmmmmmmmmmmmmmmm' +
  'MMMMmmm.mmmmmmmm' +
  'jjjjjjjjjjjjjjjj' +
  'mmmmmmmmmmmmmmmm' +
  '...mMmmm...mMmmm' +
  'mmmmmmmmmmMmmmmm' +
  'mmMmMMMm........' +
  'mmmmmmmmmmmmmmmm' +
  'mmmmmmmmmmmmmmmm' +
  'mmmmmmmmmmmmmmmm';

// The letters as bits, so that the sweep tests few of them.
const modRm = 1;
const byte = 2;
const word = 4;
const full = 8;
const jump = 16;
const prefix = 32;
const special = 64;
const bits = new Map([
  ['.', 0],
  ['m', modRm],
  ['b', byte],
  ['w', word],
  ['e', byte | word],
  ['z', full],
  ['M', modRm | byte],
  ['Z', modRm | full],
  ['v', full],
  ['j', jump],
  ['p', prefix],
]);
const ofOpcode = Uint8Array.from(oneByte, (letter) => bits.get(letter) ?? special);
const ofSecond = Uint8Array.from(twoByte, (letter) => bits.get(letter) ?? special);

/** Instructions that begin in the last bytes of a section are not looked at: none is longer. */
export const instructionLimit = 24;
const prefixLimit = 8;

/**
 * Sweeps through instructions from the start of `bytes`, until one begins at `to`, and lists the fields that lie from
 * `from` on and before `to` (indexes in `bytes`, which go on for `instructionLimit` more). A wrong start falls into step
 * after a few instructions.
 *
 * `position` and `address` are those of the first byte. Numbers from `low` up to `high` count as addresses.
 */
export function sweepX86(
  bytes: Uint8Array,
  from: number,
  to: number,
  position: number,
  address: number,
  low: number,
  high: number,
  fields: FieldList,
): void {
  for (let at = 0; at < to;) {
    const shape = shapeOf(bytes, at);
    const end = at + (shape & 31);
    if (shape & hasDisplacement) {
      const field = at + ((shape >> displacementBits) & 31);
      if (field >= from && field < to) {
        const value = int32(bytes, field);
        if (shape & isRelative) {
          const base = end - field;
          fields.push(position + field, fieldKind.relative, (address + field + base + value) | 0, base);
        } else if (value >= low && value < high) {
          fields.push(position + field, fieldKind.address, value, 0);
        }
      }
    }
    if (shape & hasImmediate) {
      const field = end - 4;
      if (field >= from && field < to) {
        const value = int32(bytes, field);
        if (shape & isJump) fields.push(position + field, fieldKind.relative, (address + end + value) | 0, 4);
        else if (value >= low && value < high) fields.push(position + field, fieldKind.address, value, 0);
      }
    }
    at = end;
  }
}

/** Of an instruction: how many bytes it has (at most 31), and where in it the distance of four bytes is; -1 for none. */
export function distanceIn(bytes: Uint8Array, at: number): { size: number; distance: number } {
  const shape = shapeOf(bytes, at);
  const size = shape & 31;
  if (shape & isJump) return { size, distance: size - 4 };
  return { size, distance: shape & isRelative ? (shape >> displacementBits) & 31 : -1 };
}

/** The shape of an instruction, in one number: its size, the place of its displacement of four bytes, and these. */
const displacementBits = 5;
const hasDisplacement = 1 << 10;
/** The displacement counts from the instruction's end. */
const isRelative = 1 << 11;
/** It ends with an immediate of four bytes. */
const hasImmediate = 1 << 12;
/** Which is a distance to jump. */
const isJump = 1 << 13;

/** More than the opcode and the byte behind it decide. */
const varies = 1 << 14;
const shapeBits = varies - 1;
/** With one byte more in front, an instruction is longer by one, and its displacement, if any, begins later by one. */
const oneLater = 1 + (1 << displacementBits);

/** Shapes by opcode and the byte behind it, 0 where not known: as they are, after REX.W, and after 0F. */
const shapes = new Uint16Array(3 << 16);
const afterWide = 1 << 16;
const afterEscape = 2 << 16;

function shapeOf(bytes: Uint8Array, start: number): number {
  let at = start;
  let table = 0;
  if ((bytes[at]! & 0xf0) === 0x40) {
    if (bytes[at]! & 8) table = afterWide;
    at++;
  }
  if (bytes[at] === 0x0f) {
    table = afterEscape;
    at++;
  }
  const slot = table | (bytes[at]! << 8) | bytes[at + 1]!;
  const known = shapes[slot]!;
  if (known > 0) return known + (at - start) * oneLater;
  const shape = decode(bytes, start);
  // The prefix and the escape byte are counted apart.
  if ((shape & varies) === 0) shapes[slot] = shape - (at - start) * (shape & hasDisplacement ? oneLater : 1);
  return shape & shapeBits;
}

function decode(bytes: Uint8Array, start: number): number {
  let at = start;
  let opcode = bytes[at++]!;
  let form = ofOpcode[opcode]!;
  let short = false;
  let wide = false;
  let shape = 0;
  for (let prefixes = 0; form === prefix && prefixes < prefixLimit; prefixes++) {
    if (prefixes > 0 || (opcode & 0xf0) !== 0x40) shape |= varies;
    if (opcode === 0x66) short = true;
    wide = (opcode & 0xf8) === 0x48;
    opcode = bytes[at++]!;
    form = ofOpcode[opcode]!;
  }
  let size = 0;
  if (form === special) {
    if (opcode === 0x0f) {
      opcode = bytes[at++]!;
      form = ofSecond[opcode]!;
      if (form === special) {
        shape |= varies;
        at++;
        form = opcode === 0x38 ? modRm : modRm | byte;
      }
    } else if (opcode >= 0xa0 && opcode < 0xa4) {
      form = 0;
      size = 8;
    } else if (opcode >= 0xf6) {
      form = modRm;
      if (((bytes[at]! >> 3) & 7) < 2) form |= opcode === 0xf6 ? byte : full;
    } else {
      // VEX and EVEX name the table in their second byte.
      let table = 1;
      shape |= varies;
      if (opcode === 0xc5) at += 1;
      else {
        table = bytes[at]! & (opcode === 0xc4 ? 31 : 7);
        at += opcode === 0xc4 ? 2 : 3;
      }
      opcode = bytes[at++]!;
      form = modRm;
      if (table === 3 || (table === 1 && ofSecond[opcode] === (modRm | byte))) form |= byte;
      if (table === 1 && opcode === 0x77) form = 0;
    }
  }
  if (form & full) size = short ? 2 : 4;
  if (form & byte) size += 1;
  if (form & word) size += 2;
  if (wide && opcode >= 0xb8 && opcode < 0xc0 && form === full) size = 8;
  if (form & modRm) {
    const value = bytes[at++]!;
    const mode = value >> 6;
    if (mode !== 3) {
      const register = value & 7;
      let four = mode === 2;
      if (register === 4) {
        if (mode === 0) {
          shape |= varies;
          four = (bytes[at]! & 7) === 5;
        }
        at++;
      } else if (mode === 0 && register === 5) {
        four = true;
        shape |= isRelative;
      }
      if (mode === 1) at++;
      if (four) {
        shape |= hasDisplacement | ((at - start) << displacementBits);
        at += 4;
      }
    }
  }
  if (form === jump) {
    shape |= isJump;
    size = 4;
  }
  if (size === 4) shape |= hasImmediate;
  return shape | (at + size - start);
}

export function int32(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}
