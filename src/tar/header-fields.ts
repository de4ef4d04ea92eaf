import { Failure } from '../failure.ts';
import { damaged } from './damaged.ts';
import { decodeName, encodeName } from './name.ts';

/** Where the fields of a header stand: offset, length (POSIX.1-1988; GNU tar's tar.h). */
export const field = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  linkName: [157, 100],
  magic: [257, 8],
  userName: [265, 32],
  groupName: [297, 32],
  deviceMajor: [329, 8],
  deviceMinor: [337, 8],
  prefix: [345, 155],
} as const satisfies Record<string, readonly [number, number]>;

type FieldName = keyof typeof field;

export function fieldBytes(bytes: Buffer, of: FieldName): Buffer {
  const [offset, length] = field[of];
  return bytes.subarray(offset, offset + length);
}

/** Up to the first NUL; see `decodeName` for bytes that are not UTF-8. */
export function fieldText(bytes: Buffer, of: FieldName): string {
  if (bytes[field[of][0]] === 0) return '';
  const raw = fieldBytes(bytes, of);
  const end = raw.indexOf(0);
  return decodeName(end === -1 ? raw : raw.subarray(0, end));
}

/** A number as it stands there: octal digits among spaces and NULs, or GNU's base 256: the top bit set, the rest two's complement. */
export function fieldNumber(bytes: Buffer, of: FieldName): number {
  const raw = fieldBytes(bytes, of);
  const first = raw[0]!;
  if (first & 0x80) {
    let value = BigInt.asIntN(7, BigInt(first & 0x7f));
    for (const byte of raw.subarray(1)) value = (value << 8n) | BigInt(byte);
    if (value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER)
      throw damaged('reading a tar header', `a ${of} of ${value}`);
    return Number(value);
  }
  if (first === 0) return 0;
  const plain = octalDigits(raw);
  if (plain >= 0) return plain;
  const digits = raw.toString('latin1').replace(/\0.*$/s, '').trim();
  if (digits === '') return 0;
  if (!/^-?[0-7]+$/.test(digits)) throw damaged('reading a tar header', `a ${of} that reads ${JSON.stringify(digits)}`);
  return Number.parseInt(digits, 8);
}

/** Of digits, and then one NUL or space or the end, as nearly all headers have them; -1 for anything else. */
function octalDigits(raw: Buffer): number {
  let value = 0;
  let at = 0;
  for (; at < raw.length && raw[at]! >= 0x30 && raw[at]! <= 0x37; at++) value = value * 8 + raw[at]! - 0x30;
  const isPlain = at > 0 && (at === raw.length || raw[at] === 0 || (raw[at] === 0x20 && at + 1 === raw.length));
  return isPlain ? value : -1;
}

export function putBytes(block: Buffer, of: FieldName, bytes: Uint8Array): void {
  const [offset, length] = field[of];
  block.set(bytes.length > length ? bytes.subarray(0, length) : bytes, offset);
}

export function putSum(block: Buffer, sum: number): void {
  const [offset, length] = field.checksum;
  putOctal(block, offset, length - 1, sum);
  block[offset + length - 1] = 0x20;
}

/** As octal digits, or where these have no room in base 256. `name`: of the entry, for the Failure when neither can say it. */
export function putNumber(block: Buffer, of: FieldName, value: number, name: string): void {
  const [offset, length] = field[of];
  if (!Number.isSafeInteger(value)) throw unwritable(name, `its ${of} is ${value}, not a whole number`);
  if (value >= 0 && value < 2 ** (3 * (length - 1))) {
    putOctal(block, offset, length, value);
    return;
  }
  let rest = BigInt(value);
  for (let at = length - 1; at > 0; at--, rest >>= 8n) block[offset + at] = Number(rest & 0xffn);
  if (rest !== 0n && rest !== -1n) throw unwritable(name, `its ${of} ${value} has no room in the header`);
  block[offset] = value < 0 ? 0xff : 0x80;
}

/** Digits that fill all of the field but its last byte, which is 0. */
function putOctal(block: Buffer, offset: number, length: number, value: number): void {
  let left = value;
  for (let at = offset + length - 2; at >= offset; at--) {
    block[at] = 0x30 + (left % 8);
    left = Math.floor(left / 8);
  }
  block[offset + length - 1] = 0;
}

export function putText(block: Buffer, of: FieldName, value: string, name: string): void {
  if (value === '') return;
  const [offset, length] = field[of];
  const bytes = encodeName(value);
  if (bytes.length >= length) throw unwritable(name, `its ${of} is longer than ${length - 1} bytes`);
  block.set(bytes, offset);
}

/** Sums of all bytes with the checksum field as spaces; some old programs summed signed bytes. */
export function checksum(block: Buffer): { unsigned: number; signed: number } {
  const [offset, length] = field.checksum;
  let unsigned = 32 * length;
  let high = 0;
  const add = (from: number, to: number) => {
    for (let at = from; at < to; at++) {
      const byte = block[at]!;
      unsigned += byte;
      high += byte >> 7;
    }
  };
  add(0, offset);
  add(offset + length, block.length);
  return { unsigned, signed: unsigned - 256 * high };
}

/** Throws a Failure where the block's bytes are not those that its checksum was made of. */
export function verifyChecksum(bytes: Buffer): void {
  const written = fieldNumber(bytes, 'checksum');
  const { unsigned, signed } = checksum(bytes);
  if (written !== unsigned && written !== signed) {
    throw damaged(
      'reading a tar header',
      `the checksum is ${written}, the bytes sum up to ${unsigned}; not a tar, or compressed or cut`,
    );
  }
}

export function unwritable(name: string, because: string): Failure {
  const doing = `writing the tar header of ${JSON.stringify(name)}`;
  return new Failure({ doing, because, fix: 'leave this file out, or change what is said of it', kind: 'input' });
}
