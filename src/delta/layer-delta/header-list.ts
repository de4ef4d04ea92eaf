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
  header.write(`${checksumOf(header).toString(8).padStart(6, '0')}\0 `, field.checksum, 'latin1');
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
  const digits = header.toString('latin1', field.time, field.time + timeDigits);
  if (!/^[0-7]{11}$/.test(digits)) return undefined;
  const restored = Buffer.from(header);
  const time = Number.parseInt(digits, 8);
  restoreHeader(restored, 'time', time);
  return restored.equals(header) ? time : undefined;
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
  for (let at = 0; at < blockSize; at++) if (at < field.checksum || at >= field.checksumEnd) sum += header[at]!;
  return sum;
}
