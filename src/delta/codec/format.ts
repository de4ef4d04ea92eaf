import { ByteReader, ByteWriter } from './bytes.ts';
import { brokenDelta } from './failure.ts';

/** docs/delta-format.md describes all of this for those who write another decoder. */
export const magic = Buffer.from('ibd1', 'latin1');
/** Magic, codec and four numbers. */
export const headerLimit = 4 + 1 + 4 * 8;
export const digestSize = 32;

/** How the new file was coded; the value in the header is the index. */
export const codecs = ['general', 'elf'] as const;
export type Codec = (typeof codecs)[number];

export const mebibyte = 2 ** 20;
/** The streams of one block, unpacked, together. */
export const blockLimit = 8 * mebibyte;
/** A block is closed when its streams hold this much; what one operation adds stays within the limit. */
export const blockTarget = 5 * mebibyte;
/** Bytes of one insertion or one copy, at most. */
export const pieceLimit = mebibyte;
/** log2 of the history of a packed stream. */
export const windowLog = 23;
/** Operations of an ELF delta. */
export const operationLimit = 2 ** 20;
/** Output that is held back until the unwind table in it can be made. */
export const heldLimit = 12 * mebibyte;
/** ELF files and their addresses lie below. */
export const elfLimit = 2 ** 31;
/** Memory that a decoder grants unless it is told otherwise, in bytes. */
export const memoryLimit = 64 * mebibyte;

export const generalStreams = ['insert', 'seek', 'copy', 'gap', 'run', 'difference', 'data'] as const;
export const preludeStreams = ['model', 'insert', 'seek', 'copy'] as const;
export const elfStreams = [
  'miss',
  'error',
  'error0',
  'error1',
  'error2',
  'error3',
  'gap',
  'run',
  'difference',
  'code',
  'operand',
  'operand0',
  'operand1',
  'operand2',
  'operand3',
  'data',
] as const;

export interface DeltaHeader {
  codec: Codec;
  /** Sizes of the old and the new file, in bytes. */
  oldSize: number;
  newSize: number;
  /** The largest sum of unpacked streams of one block, in bytes. */
  blockSize: number;
  /** What a decoder may need at the same time, in bytes: buffers and tables, without its program. */
  memory: number;
}

/** What an ELF delta keeps beside its blocks. */
export interface ElfTables {
  copies: number;
  jumpTables: number;
  /** Bytes of output that are held back. */
  held: number;
}

/** Memory of a decoder, in bytes: a block packed and unpacked, the history, buffers; tables of an ELF delta. */
export function memoryNeeded(blockSize: number, elf?: ElfTables): number {
  const buffers = 2 * blockSize + 2 ** windowLog + 4 * mebibyte;
  return elf === undefined ? buffers : buffers + 16 * mebibyte + 56 * elf.copies + 8 * elf.jumpTables + elf.held;
}

export function encodeHeader(header: DeltaHeader): Buffer {
  const writer = new ByteWriter(headerLimit);
  writer.put(magic);
  writer.byte(codecs.indexOf(header.codec));
  for (const value of [header.oldSize, header.newSize, header.blockSize, header.memory]) writer.uvarint(value);
  return Buffer.from(writer.view());
}

/** Of bytes that begin with a header: what it says and how long it is. Throws a Failure. */
export function decodeHeader(bytes: Uint8Array): { header: DeltaHeader; size: number } {
  const reader = new ByteReader(bytes, 'its header');
  const found = Buffer.from(reader.peek(magic.length));
  if (!found.equals(magic)) {
    const other = /^ibd[0-9]/.exec(found.toString('latin1'))?.[0];
    throw brokenDelta(other === undefined ? 'it is no delta' : `it is of the version ${other}, which cannot be read`);
  }
  reader.take(magic.length);
  const codec = codecs[reader.byte()];
  if (codec === undefined) throw brokenDelta('it is coded in a way that is not known');
  const [oldSize, newSize, blockSize, memory] = [
    reader.uvarint(),
    reader.uvarint(),
    reader.uvarint(),
    reader.uvarint(),
  ];
  if (blockSize > blockLimit) throw brokenDelta(`its blocks are larger than ${blockLimit} bytes`);
  return { header: { codec, oldSize, newSize, blockSize, memory }, size: bytes.length - reader.left };
}
