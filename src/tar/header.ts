import { Failure } from '../failure.ts';
import { damaged } from './damaged.ts';
import { decodeName, encodedNameSize, encodeName } from './name.ts';

/** Bytes of a header, and the unit to which contents are padded. */
export const blockSize = 512;

/** Entries that stand for something in a file system. */
export type TarEntryType =
  | 'file'
  | 'link'
  | 'symlink'
  | 'character-device'
  | 'block-device'
  | 'directory'
  | 'fifo'
  | 'contiguous-file'
  | 'gnu-sparse'
  | 'unknown';

/** Headers whose contents speak of the entry that follows, or (`pax-global`) of all that follow. */
export type TarExtensionType = 'pax' | 'pax-global' | 'gnu-long-name' | 'gnu-long-link';

/** One 512-byte header: pure numbers and strings. */
export interface TarHeader {
  /** As in the archive; see `decodeName` for bytes that are not UTF-8. */
  name: string;
  type: TarEntryType | TarExtensionType;
  /** The lower twelve bits: permissions, setuid, setgid, sticky. */
  mode: number;
  uid: number;
  gid: number;
  /** Bytes of contents that follow, without padding. */
  size: number;
  /** Seconds; a pax header may give a fraction. */
  mtime: number;
  /** Target of `link` and `symlink`, else ''. */
  linkName: string;
  userName: string;
  groupName: string;
  deviceMajor: number;
  deviceMinor: number;
}

const typeOfFlag: Record<string, TarHeader['type']> = {
  '0': 'file',
  '\0': 'file',
  '1': 'link',
  '2': 'symlink',
  '3': 'character-device',
  '4': 'block-device',
  '5': 'directory',
  '6': 'fifo',
  '7': 'contiguous-file',
  S: 'gnu-sparse',
  x: 'pax',
  g: 'pax-global',
  L: 'gnu-long-name',
  K: 'gnu-long-link',
};

const flagOfType: Partial<Record<TarHeader['type'], string>> = {
  file: '0',
  link: '1',
  symlink: '2',
  'character-device': '3',
  'block-device': '4',
  directory: '5',
  fifo: '6',
  'contiguous-file': '7',
  'gnu-long-name': 'L',
  'gnu-long-link': 'K',
};

/** Types whose size field counts nothing: no contents follow. */
export const withoutContents: ReadonlySet<string> = new Set<TarEntryType>([
  'link',
  'symlink',
  'character-device',
  'block-device',
  'directory',
  'fifo',
]);

const gnuMagic = Buffer.from('ustar  \0', 'latin1');
const posixMagic = Buffer.from('ustar\0', 'latin1');

/** Where the fields of a header stand: offset, length (POSIX.1-1988; GNU tar's tar.h). */
const field = {
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

/** Bytes from the end of contents of `size` bytes to the next block. */
export function padding(size: number): number {
  return (blockSize - (size % blockSize)) % blockSize;
}

/** Whether a block is one of the zero blocks that end an archive. */
export function isZeroBlock(block: Uint8Array): boolean {
  return block[0] === 0 && block.every((byte) => byte === 0);
}

/**
 * Reads one header block: GNU, ustar, pax or v7. Long names and pax records come in entries of their own; the reader
 * of the stream joins them (`applyPax`). Throws a Failure when the checksum or a number is wrong.
 */
export function decodeHeader(block: Uint8Array): TarHeader {
  const bytes = Buffer.from(block.buffer, block.byteOffset, block.byteLength);
  if (bytes.length !== blockSize)
    throw damaged('reading a tar header', `a header of ${bytes.length} bytes instead of ${blockSize}`);
  verifyChecksum(bytes);
  const flag = String.fromCharCode(bytes[field.type[0]]!);
  const isPosix = slice(bytes, 'magic').subarray(0, posixMagic.length).equals(posixMagic);
  const prefix = isPosix ? text(bytes, 'prefix') : '';
  const name = prefix === '' ? text(bytes, 'name') : `${prefix}/${text(bytes, 'name')}`;
  const type = typeOfFlag[flag] ?? 'unknown';
  const size = sizeOf(bytes);
  // Archives older than ustar mark a folder by its name alone. A name that fills its field may be the beginning of a longer
  // one, which an entry before this one gives.
  const isCut = size > 0 && !slice(bytes, 'name').includes(0);
  return {
    name,
    type: type === 'file' && name.endsWith('/') && !isCut ? 'directory' : type,
    mode: number(bytes, 'mode') & 0o7777,
    uid: number(bytes, 'uid'),
    gid: number(bytes, 'gid'),
    size,
    mtime: number(bytes, 'mtime'),
    linkName: text(bytes, 'linkName'),
    userName: text(bytes, 'userName'),
    groupName: text(bytes, 'groupName'),
    deviceMajor: isPosix || hasGnuMagic(bytes) ? number(bytes, 'deviceMajor') : 0,
    deviceMinor: isPosix || hasGnuMagic(bytes) ? number(bytes, 'deviceMinor') : 0,
  };
}

/** Writes other numbers into a header block, in place. Throws a Failure for what its fields cannot say. */
export function patchHeader(block: Buffer, values: Partial<Pick<TarHeader, 'mtime' | 'size'>>): void {
  for (const name of ['mtime', 'size'] as const) {
    if (values[name] !== undefined) putNumber(block, name, values[name], text(block, 'name'));
  }
  putSum(block, checksum(block).unsigned);
}

/**
 * Writes a header as GNU tar's `--format=gnu` does: one block, or with `././@LongLink` entries in front where name or
 * link name pass 100 bytes. Throws a Failure for what the format cannot say.
 */
export function encodeHeader(header: TarHeader): Buffer {
  const name = encodeName(header.name);
  const linkName = encodeName(header.linkName);
  if (linkName.length <= field.linkName[1] && name.length <= field.name[1]) return encodeBlock(header, name, linkName);
  const blocks: Buffer[] = [];
  if (linkName.length > field.linkName[1]) blocks.push(longName('gnu-long-link', linkName));
  if (name.length > field.name[1]) blocks.push(longName('gnu-long-name', name));
  blocks.push(encodeBlock(header, name, linkName));
  return Buffer.concat(blocks);
}

/** Bytes of `encodeHeader(header)`, without making them. */
export function encodedHeaderSize(header: Pick<TarHeader, 'name' | 'linkName'>): number {
  const long = (value: string, limit: number) => {
    const length = encodedNameSize(value);
    return length > limit ? blockSize + length + 1 + padding(length + 1) : 0;
  };
  return blockSize + long(header.name, field.name[1]) + long(header.linkName, field.linkName[1]);
}

/** A block is put together here, and looked at word by word: of tens of thousands of entries it takes half of the time. */
const draft = Buffer.from(new ArrayBuffer(blockSize));
const draftWords = new Uint32Array(draft.buffer);

function encodeBlock(header: TarHeader, name: Uint8Array, linkName: Uint8Array): Buffer {
  const flag = flagOfType[header.type];
  if (flag === undefined) throw unwritable(header.name, `an entry of type ${header.type} is never written`);
  if (name.includes(0) || linkName.includes(0)) throw unwritable(header.name, 'a name holds a NUL byte');
  draft.fill(0);
  putBytes(draft, 'name', name);
  putNumber(draft, 'mode', header.mode, header.name);
  putNumber(draft, 'uid', header.uid, header.name);
  putNumber(draft, 'gid', header.gid, header.name);
  putNumber(draft, 'size', header.size, header.name);
  putNumber(draft, 'mtime', header.mtime, header.name);
  draft[field.type[0]] = flag.charCodeAt(0);
  putBytes(draft, 'linkName', linkName);
  putBytes(draft, 'magic', gnuMagic);
  putText(draft, 'userName', header.userName, header.name);
  putText(draft, 'groupName', header.groupName, header.name);
  if (header.type === 'character-device' || header.type === 'block-device') {
    putNumber(draft, 'deviceMajor', header.deviceMajor, header.name);
    putNumber(draft, 'deviceMinor', header.deviceMinor, header.name);
  }
  // The field itself counts as spaces.
  let sum = 0x20 * field.checksum[1];
  for (const word of draftWords) sum += (word & 0xff) + ((word >>> 8) & 0xff) + ((word >>> 16) & 0xff) + (word >>> 24);
  putSum(draft, sum);
  return Buffer.from(draft);
}

function putBytes(block: Buffer, of: FieldName, bytes: Uint8Array): void {
  const [offset, length] = field[of];
  block.set(bytes.length > length ? bytes.subarray(0, length) : bytes, offset);
}

function putSum(block: Buffer, sum: number): void {
  const [offset, length] = field.checksum;
  putOctal(block, offset, length - 1, sum);
  block[offset + length - 1] = 0x20;
}

function longName(type: 'gnu-long-name' | 'gnu-long-link', name: Buffer): Buffer {
  const size = name.length + 1;
  const header: TarHeader = {
    name: '././@LongLink',
    type,
    mode: 0o644,
    uid: 0,
    gid: 0,
    size,
    mtime: 0,
    linkName: '',
    userName: 'root',
    groupName: 'root',
    deviceMajor: 0,
    deviceMinor: 0,
  };
  const block = encodeBlock(header, encodeName(header.name), Buffer.alloc(0));
  return Buffer.concat([block, name, Buffer.alloc(1 + padding(size))]);
}

function slice(bytes: Buffer, of: FieldName): Buffer {
  const [offset, length] = field[of];
  return bytes.subarray(offset, offset + length);
}

function text(bytes: Buffer, of: FieldName): string {
  if (bytes[field[of][0]] === 0) return '';
  const raw = slice(bytes, of);
  const end = raw.indexOf(0);
  return decodeName(end === -1 ? raw : raw.subarray(0, end));
}

function hasGnuMagic(bytes: Buffer): boolean {
  return slice(bytes, 'magic').equals(gnuMagic);
}

/** Links carry the size of their target in some old archives; no contents follow them. */
function sizeOf(bytes: Buffer): number {
  const size = number(bytes, 'size');
  if (size < 0) throw damaged('reading a tar header', `a size of ${size} bytes`);
  return size;
}

/** Octal digits among spaces and NULs, or GNU's base 256: the top bit set, the rest two's complement. */
function number(bytes: Buffer, of: FieldName): number {
  const raw = slice(bytes, of);
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

function putNumber(block: Buffer, of: FieldName, value: number, name: string): void {
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

function putText(block: Buffer, of: FieldName, value: string, name: string): void {
  if (value === '') return;
  const [offset, length] = field[of];
  const bytes = encodeName(value);
  if (bytes.length >= length) throw unwritable(name, `its ${of} is longer than ${length - 1} bytes`);
  block.set(bytes, offset);
}

/** Sums of all bytes with the checksum field as spaces; some old programs summed signed bytes. */
function checksum(bytes: Buffer): { unsigned: number; signed: number } {
  const [offset, length] = field.checksum;
  let unsigned = 32 * length;
  let high = 0;
  const add = (from: number, to: number) => {
    for (let at = from; at < to; at++) {
      const byte = bytes[at]!;
      unsigned += byte;
      high += byte >> 7;
    }
  };
  add(0, offset);
  add(offset + length, blockSize);
  return { unsigned, signed: unsigned - 256 * high };
}

function verifyChecksum(bytes: Buffer): void {
  const written = number(bytes, 'checksum');
  const { unsigned, signed } = checksum(bytes);
  if (written !== unsigned && written !== signed) {
    throw damaged(
      'reading a tar header',
      `the checksum is ${written}, the bytes sum up to ${unsigned}; not a tar, or compressed or cut`,
    );
  }
}

function unwritable(name: string, because: string): Failure {
  const doing = `writing the tar header of ${JSON.stringify(name)}`;
  return new Failure({ doing, because, fix: 'leave this file out, or change what is said of it', kind: 'input' });
}
