import { ByteReader, ByteWriter } from '../codec/bytes.ts';
import { brokenDelta } from '../codec/failure.ts';
import { blockLimit, memoryNeeded, type ElfTables } from '../codec/format.ts';

/** docs/layer-delta-format.md describes all of this for those who write another decoder. */
export const layerDeltaMagic = Buffer.from('ibl1', 'latin1');
/** Magic and four numbers. */
export const layerDeltaHeaderLimit = 4 + 4 * 8;
/** The coding of a file part: codec 1 of docs/delta-format.md. */
export const elfPart = 1;

export interface LayerDeltaHeader {
  /** All ranges of the sources, and the new tar, in bytes. */
  oldSize: number;
  newSize: number;
  /** The largest sum of unpacked streams of one block, in bytes. */
  blockSize: number;
  /** What a decoder may need at the same time, in bytes. */
  memory: number;
}

/** Memory of a decoder, in bytes, with the tables of one file part. */
export function layerMemoryNeeded(blockSize: number, ranges: number, elf?: ElfTables): number {
  return memoryNeeded(blockSize, elf) + 16 * ranges;
}

export function encodeLayerDeltaHeader({ oldSize, newSize, blockSize, memory }: LayerDeltaHeader): Buffer {
  const writer = new ByteWriter(layerDeltaHeaderLimit);
  writer.put(layerDeltaMagic);
  for (const value of [oldSize, newSize, blockSize, memory]) writer.uvarint(value);
  return Buffer.from(writer.view());
}

/** Of bytes that begin with a header: what it says and how long it is. Throws a Failure. */
export function decodeLayerDeltaHeader(bytes: Uint8Array): { header: LayerDeltaHeader; size: number } {
  const reader = new ByteReader(bytes, 'its header');
  expectMagic(reader, layerDeltaMagic, 'delta of a filesystem layer');
  const header = {
    oldSize: reader.uvarint(),
    newSize: reader.uvarint(),
    blockSize: reader.uvarint(),
    memory: reader.uvarint(),
  };
  if (header.blockSize > blockLimit) throw brokenDelta(`its blocks are larger than ${blockLimit} bytes`);
  return { header, size: bytes.length - reader.left };
}

export function expectMagic(reader: ByteReader, magic: Buffer, what: string): void {
  const found = Buffer.from(reader.peek(magic.length));
  if (found.equals(magic)) {
    reader.take(magic.length);
    return;
  }
  const name = found.toString('latin1');
  const isOther = name.length === 4 && name.startsWith(magic.toString('latin1', 0, 3)) && /[0-9]$/.test(name);
  throw brokenDelta(isOther ? `it is of the version ${name}, which cannot be read` : `it is no ${what}`);
}
