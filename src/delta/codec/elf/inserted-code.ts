import type { ByteReader, ByteWriter } from '../bytes.ts';
import { kindOf, operandMask } from './aarch64.ts';
import { fieldKind } from './field.ts';
import { distanceIn, instructionLimit, int32 } from './x86.ts';

/**
 * New code, without its distances: what they lead to goes into a stream of its own, as an address, so that two calls of one
 * function are the same bytes. The last instructions are left as they are: a decoder doesn't look beyond what it has.
 */
export function splitX86(
  bytes: Uint8Array,
  address: number,
  code: ByteWriter,
  operands: { put(address: number): void },
): void {
  let at = 0;
  while (at + instructionLimit <= bytes.length) {
    const { size, distance } = distanceIn(bytes, at);
    if (distance < 0) code.putFew(bytes, at, at + size);
    else {
      const behind = at + distance + 4;
      code.putFew(bytes, at, at + distance);
      code.putFew(bytes, behind, at + size);
      operands.put((address + behind + int32(bytes, at + distance)) | 0);
    }
    at += size;
  }
  code.put(bytes.subarray(at));
}

/** Fills `bytes` with what `splitX86` was given. */
export function joinX86(bytes: Uint8Array, address: number, code: ByteReader, nextOperand: () => number): void {
  let at = 0;
  while (at + instructionLimit <= bytes.length) {
    bytes.set(code.peek(instructionLimit), at);
    const { size, distance } = distanceIn(bytes, at);
    if (distance < 0) bytes.set(code.take(size), at);
    else {
      const behind = at + distance + 4;
      bytes.set(code.take(distance), at);
      bytes.set(code.take(size - distance - 4), behind);
      const value = nextOperand() - (address + behind);
      for (let each = 0; each < 4; each++) bytes[at + distance + each] = value >> (8 * each);
    }
    at += size;
  }
  bytes.set(code.take(bytes.length - at), at);
}

/** Calls and pages of new aarch64 code name their targets by address; `back` makes them distances again. In place. */
export function turnAarch64(bytes: Uint8Array, address: number, back: boolean): void {
  for (let at = -address & 3; at + 4 <= bytes.length; at += 4) {
    const word = int32(bytes, at);
    const kind = kindOf(word);
    if (kind !== fieldKind.branch26 && kind !== fieldKind.page) continue;
    const mask = operandMask[kind]!;
    const page = kind === fieldKind.page;
    // Exactly the bits that the instruction has, so that it can be turned back whatever they are.
    const bits = page ? (((word >>> 5) & 0x7ffff) << 2) | ((word >>> 29) & 3) : word;
    const place = (address + at) >> (page ? 12 : 2);
    const turned = back ? bits - place : bits + place;
    const operand = page ? ((turned & 3) << 29) | (((turned >> 2) & 0x7ffff) << 5) : turned;
    const made = (word & ~mask) | (operand & mask);
    for (let each = 0; each < 4; each++) bytes[at + each] = made >> (8 * each);
  }
}
