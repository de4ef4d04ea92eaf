import type { ByteReader, ByteWriter } from '../codec/bytes.ts';
import { brokenDelta } from '../codec/failure.ts';
import { blockSize } from '../../tar/header.ts';

/**
 * What a decoder writes into a header of the new tar itself, whatever the parts make of it: nothing, its checksum, or its time
 * and its checksum.
 */
export const headerModes = ['as-made', 'checksum', 'time'] as const;
export type HeaderMode = (typeof headerModes)[number];

/** So many headers in a row, of one mode; those of `time` all have this one, in seconds. */
export interface HeaderRun {
  count: number;
  mode: HeaderMode;
  time: number;
}

export const noRun: HeaderRun = { count: 0, mode: 'as-made', time: 0 };

/** What eleven octal digits can say. */
export const timeLimit = 8 ** 11;
const timeDigits = 11;
const sumDigits = 6;
const field = { size: 124, time: 136, checksum: 148, checksumEnd: 156, type: 156 };

export function putHeaderRun(writer: ByteWriter, { count, mode, time }: HeaderRun, last: HeaderRun): void {
  writer.uvarint(count);
  writer.byte(headerModes.indexOf(mode));
  if (mode === 'time') writer.svarint(time - last.time);
}

/** The run after `last`; undefined where there is none. Throws a Failure where it breaks the format. */
export function takeHeaderRun(reader: ByteReader, last: HeaderRun): HeaderRun | undefined {
  if (reader.left === 0) return undefined;
  const count = reader.uvarint();
  const mode = headerModes[reader.byte()];
  if (count === 0 || mode === undefined) throw brokenDelta('its list of headers has a run that there is not');
  const time = mode === 'time' ? last.time + reader.svarint() : last.time;
  if (time < 0 || time >= timeLimit) throw brokenDelta(`its list of headers has the time ${time}`);
  return { count, mode, time };
}

/** Writes the fields of a mode into a header, in the form that GNU tar, Go and Python give them. */
export function restoreHeader(header: Buffer, mode: HeaderMode, time: number): void {
  if (mode === 'as-made') return;
  if (mode === 'time') header.write(time.toString(8).padStart(timeDigits, '0'), field.time, 'latin1');
  header.write(`${checksumOf(header).toString(8).padStart(sumDigits, '0')}\0 `, field.checksum, 'latin1');
}

/** Puts those fields of another header in, or zeros: a decoder passes over what stands there. */
export function blankHeader(header: Buffer, mode: HeaderMode, other: Uint8Array | undefined): void {
  if (mode === 'as-made') return;
  const replace = (from: number, to: number) => {
    if (other === undefined) header.fill(0, from, to);
    else header.set(other.subarray(from, to), from);
  };
  if (mode === 'time') replace(field.time, field.time + timeDigits);
  replace(field.checksum, field.checksumEnd);
}

/** The time of a header whose checksum and time `restoreHeader` would write the same. */
export function restorableTime(header: Buffer): number | undefined {
  const time = octal(header, field.time, timeDigits);
  const sum = octal(header, field.checksum, sumDigits);
  if (time === undefined || header[field.checksumEnd - 2] !== 0 || header[field.checksumEnd - 1] !== 0x20) {
    return undefined;
  }
  return sum === checksumOf(header) ? time : undefined;
}

/** A number of just so many digits; undefined where there is anything else. */
function octal(header: Uint8Array, from: number, digits: number): number | undefined {
  let value = 0;
  for (let at = from; at < from + digits; at++) {
    const digit = header[at]! - 0x30;
    if (digit < 0 || digit > 7) return undefined;
    value = value * 8 + digit;
  }
  return value;
}

/** Bytes from the end of a header to the next one; undefined where none is looked for: zeros, or a size beyond 2^53. */
export function toNextHeader(header: Uint8Array): number | undefined {
  if (header[0] === 0) return undefined;
  const type = header[field.type]!;
  if (type >= 0x31 && type <= 0x36) return 0;
  const digits = header.subarray(field.size, field.time);
  let size = 0;
  if (digits[0] === 0x80) for (const digit of digits.subarray(1)) size = size * 256 + digit;
  else {
    for (const digit of digits) {
      if (digit < 0x30 || digit > 0x37) break;
      size = size * 8 + digit - 0x30;
    }
  }
  return Number.isSafeInteger(size + blockSize) ? Math.ceil(size / blockSize) * blockSize : undefined;
}

/** The sum of the bytes, the checksum's own as spaces (POSIX, pax, "ustar Interchange Format"). */
function checksumOf(header: Uint8Array): number {
  let sum = 32 * (field.checksumEnd - field.checksum);
  for (let at = 0; at < field.checksum; at++) sum += header[at]!;
  for (let at = field.checksumEnd; at < blockSize; at++) sum += header[at]!;
  return sum;
}
