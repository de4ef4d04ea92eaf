import { fieldKind, type FieldList } from './field.ts';
import { int32 } from './x86.ts';

/** Bits of an instruction that hold its operand, by kind (Arm's manual, chapter C4). */
export const operandMask: Record<number, number> = {
  [fieldKind.branch26]: 0x03ffffff,
  [fieldKind.branch19]: 0x00ffffe0,
  [fieldKind.branch14]: 0x0007ffe0,
  [fieldKind.adr]: 0x60ffffe0,
  [fieldKind.page]: 0x60ffffe0,
  [fieldKind.lowAdd]: 0x003ffc00,
  [fieldKind.lowLoad]: 0x003ffc00,
};

/** An address that is made in two steps is looked for in so many bytes after its page. */
export const pairReach = 128;
export const pageMask = 4095;

/** Which kind of operand an instruction has, 0 for none that names a place. */
export function kindOf(word: number): number {
  return mayHaveOperand[word >>> 24] === 0 ? 0 : decode(word);
}

function decode(word: number): number {
  if ((word & 0x7c000000) === 0x14000000) return fieldKind.branch26;
  if ((word & 0xff000010) === 0x54000000 || (word & 0x7e000000) === 0x34000000) return fieldKind.branch19;
  if ((word & 0x7e000000) === 0x36000000) return fieldKind.branch14;
  if ((word & 0x1f000000) === 0x10000000) return word < 0 ? fieldKind.page : fieldKind.adr;
  if ((word & 0x7fc00000) === 0x11000000) return word < 0 ? fieldKind.lowAdd : 0;
  if ((word & 0x3b000000) === 0x39000000) return fieldKind.lowLoad;
  return 0;
}

/** By the first byte of an instruction, the last one in memory: 0 where none has an operand that names a place. */
const mayHaveOperand = Uint8Array.from({ length: 256 }, (_, byte) => {
  // Conditional branches are told from others by bit 4, additions by bits 22 and 23: zeros here.
  return decode(byte << 24) === 0 ? 0 : 1;
});

/** log2 of the bytes that a load or store with an unsigned offset moves. */
function scale(word: number): number {
  return (word & 0x04800000) === 0x04800000 && word >>> 30 === 0 ? 4 : word >>> 30;
}

/** The operand of an instruction, in bytes: signed, and for the low parts from 0 up to 4095 times what is moved. */
export function operandOf(kind: number, word: number): number {
  switch (kind) {
    case fieldKind.branch26:
      return (word << 6) >> 4;
    case fieldKind.branch19:
      return ((word << 8) >> 13) << 2;
    case fieldKind.branch14:
      return ((word << 13) >> 18) << 2;
    case fieldKind.adr:
      return (((word << 8) >> 13) << 2) | ((word >>> 29) & 3);
    case fieldKind.page:
      return ((((word << 8) >> 13) << 2) | ((word >>> 29) & 3)) << 12;
    case fieldKind.lowAdd:
      return (word >>> 10) & 0xfff;
    default:
      return ((word >>> 10) & 0xfff) << scale(word);
  }
}

/** The instruction with another operand, as far as it has the bits for it. */
export function withOperand(kind: number, word: number, operand: number): number {
  const rest = word & ~operandMask[kind]!;
  switch (kind) {
    case fieldKind.branch26:
      return rest | ((operand >> 2) & 0x03ffffff);
    case fieldKind.branch19:
      return rest | (((operand >> 2) << 5) & 0x00ffffe0);
    case fieldKind.branch14:
      return rest | (((operand >> 2) << 5) & 0x0007ffe0);
    case fieldKind.adr:
      return rest | ((operand & 3) << 29) | (((operand >> 2) << 5) & 0x00ffffe0);
    case fieldKind.page:
      return rest | (((operand >> 12) & 3) << 29) | (((operand >> 14) << 5) & 0x00ffffe0);
    case fieldKind.lowAdd:
      return rest | ((operand & 0xfff) << 10);
    default:
      return rest | (((operand & 0xfff) >> scale(word)) << 10);
  }
}

/**
 * Lists the operands of the instructions from `from` on and before `to` (indexes in `bytes`; `from` is that of an
 * instruction). `bytes` begin and end up to `pairReach` beyond: the page of an address and its low part are read
 * together, and both name the whole address.
 */
export function sweepAarch64(
  bytes: Uint8Array,
  from: number,
  to: number,
  position: number,
  address: number,
  fields: FieldList,
): void {
  pageAt.fill(-pairReach - 1);
  const start = fields.count;
  for (let at = from & 3; at + 4 <= bytes.length; at += 4) {
    const word = int32(bytes, at);
    const kind = kindOf(word);
    if (kind === 0) continue;
    const inside = at >= from && at < to;
    const here = address + at;
    let target: number;
    if (kind === fieldKind.page) {
      const register = word & 31;
      target = ((here & ~pageMask) + operandOf(kind, word)) | 0;
      pageAt[register] = at;
      page[register] = target;
      listedAt[register] = inside ? fields.count : -1;
    } else if (kind === fieldKind.lowAdd || kind === fieldKind.lowLoad) {
      const register = (word >>> 5) & 31;
      if (at - pageAt[register]! > pairReach) continue;
      target = page[register]! + operandOf(kind, word);
      const listed = listedAt[register]!;
      // The first low part completes the page.
      if (listed >= start) fields.target[listed] = target;
      listedAt[register] = -1;
      if (kind === fieldKind.lowAdd && (word & 31) === register) pageAt[register] = -pairReach - 1;
    } else {
      target = (here + operandOf(kind, word)) | 0;
    }
    if (inside) fields.push(position + at, kind, target, 0);
  }
}

const page = new Int32Array(32);
const pageAt = new Int32Array(32);
const listedAt = new Int32Array(32);
