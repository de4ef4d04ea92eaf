import { damaged } from './damaged.ts';
import {
  checksum,
  field,
  fieldNumber,
  putBytes,
  putNumber,
  putSum,
  putText,
  fieldBytes,
  fieldText,
  unwritable,
  verifyChecksum,
} from './header-fields.ts';
import { encodedNameSize, encodeName } from './name.ts';

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
  const isPosix = fieldBytes(bytes, 'magic').subarray(0, posixMagic.length).equals(posixMagic);
  const prefix = isPosix ? fieldText(bytes, 'prefix') : '';
  const name = prefix === '' ? fieldText(bytes, 'name') : `${prefix}/${fieldText(bytes, 'name')}`;
  const type = typeOfFlag[flag] ?? 'unknown';
  const size = sizeOf(bytes);
  // Archives older than ustar mark a folder by its name alone. A name that fills its field may be the beginning of a longer
  // one, which an entry before this one gives.
  const isCut = size > 0 && !fieldBytes(bytes, 'name').includes(0);
  return {
    name,
    type: type === 'file' && name.endsWith('/') && !isCut ? 'directory' : type,
    mode: fieldNumber(bytes, 'mode') & 0o7777,
    uid: fieldNumber(bytes, 'uid'),
    gid: fieldNumber(bytes, 'gid'),
    size,
    mtime: fieldNumber(bytes, 'mtime'),
    linkName: fieldText(bytes, 'linkName'),
    userName: fieldText(bytes, 'userName'),
    groupName: fieldText(bytes, 'groupName'),
    deviceMajor: isPosix || hasGnuMagic(bytes) ? fieldNumber(bytes, 'deviceMajor') : 0,
    deviceMinor: isPosix || hasGnuMagic(bytes) ? fieldNumber(bytes, 'deviceMinor') : 0,
  };
}

/** Writes other numbers into a header block, in place. Throws a Failure for what its fields cannot say. */
export function patchHeader(block: Buffer, values: Partial<Pick<TarHeader, 'mtime' | 'size'>>): void {
  for (const name of ['mtime', 'size'] as const) {
    if (values[name] !== undefined) putNumber(block, name, values[name], fieldText(block, 'name'));
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

function hasGnuMagic(bytes: Buffer): boolean {
  return fieldBytes(bytes, 'magic').equals(gnuMagic);
}

/** Links carry the size of their target in some old archives; no contents follow them. */
function sizeOf(bytes: Buffer): number {
  const size = fieldNumber(bytes, 'size');
  if (size < 0) throw damaged('reading a tar header', `a size of ${size} bytes`);
  return size;
}
