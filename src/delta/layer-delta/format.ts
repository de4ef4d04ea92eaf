import { ByteReader, ByteWriter } from '../codec/bytes.ts';
import { brokenDelta } from '../codec/failure.ts';
import { blockLimit, memoryNeeded, type ElfTables } from '../codec/format.ts';
import { bytesOfMember, bytesOfPacking } from './members.ts';

/** docs/layer-delta-format.md describes all of this for those who write another decoder. */
export const layerDeltaMagic = Buffer.from('ibl1', 'latin1');
/** Of one that lists members, which are packed again. */
export const repackingMagic = Buffer.from('ibl2', 'latin1');
/** Of one that lists headers, or has streams that several blocks share; it may list members, too. */
export const sharingMagic = Buffer.from('ibl4', 'latin1');
const magicOf = { 1: layerDeltaMagic, 2: repackingMagic, 4: sharingMagic };
/** The version of the format; a higher one can say what a lower one can. */
export type LayerDeltaVersion = keyof typeof magicOf;
/** Magic and four numbers. */
export const layerDeltaHeaderLimit = 4 + 4 * 8;
/** The coding of a file part: codec 1 of docs/delta-format.md. */
export const elfPart = 1;
/** Stands where a file part may: streams that the blocks behind it share. */
export const sharedPart = 3;

export interface LayerDeltaHeader {
  /** All ranges of the sources, and the new tar, in bytes. */
  oldSize: number;
  newSize: number;
  /** The largest sum of unpacked streams of one block, in bytes. */
  blockSize: number;
  /** What a decoder may need at the same time, in bytes. */
  memory: number;
  /** From 2 on a list of members follows; from 4 on, one of headers, too. */
  version: LayerDeltaVersion;
}

/** How long the lists are that a decoder keeps. */
export interface ListLengths {
  /** Of the sources: ranges, and members of them. */
  ranges: number;
  oldMembers: number;
  /** Members of the new tar. */
  newMembers: number;
  /** Bytes of the list of headers. */
  headers?: number;
}

/** Memory of a decoder, in bytes, with the tables of one file part. */
export function layerMemoryNeeded(
  blockSize: number,
  { ranges, oldMembers, newMembers, headers = 0 }: ListLengths,
  elf?: ElfTables,
): number {
  const lists = 16 * ranges + bytesOfMember * (oldMembers + newMembers) + headers;
  return memoryNeeded(blockSize, elf) + lists + (newMembers > 0 ? bytesOfPacking : 0);
}

export function encodeLayerDeltaHeader({ oldSize, newSize, blockSize, memory, version }: LayerDeltaHeader): Buffer {
  const writer = new ByteWriter(layerDeltaHeaderLimit);
  writer.put(magicOf[version]);
  for (const value of [oldSize, newSize, blockSize, memory]) writer.uvarint(value);
  return Buffer.from(writer.view());
}

const versions = [1, 2, 4] as const satisfies readonly LayerDeltaVersion[];

/** Of bytes that begin with a header: what it says and how long it is. Throws a Failure. */
export function decodeLayerDeltaHeader(bytes: Uint8Array): { header: LayerDeltaHeader; size: number } {
  const reader = new ByteReader(bytes, 'its header');
  const found = expectMagic(reader, Object.values(magicOf), 'delta of a filesystem layer');
  const header = {
    version: versions.find((version) => magicOf[version] === found)!,
    oldSize: reader.uvarint(),
    newSize: reader.uvarint(),
    blockSize: reader.uvarint(),
    memory: reader.uvarint(),
  };
  if (header.blockSize > blockLimit) throw brokenDelta(`its blocks are larger than ${blockLimit} bytes`);
  return { header, size: bytes.length - reader.left };
}

/** Returns which of several it begins with. */
export function expectMagic(reader: ByteReader, magics: readonly Buffer[], what: string): Buffer {
  const found = Buffer.from(reader.peek(4));
  const magic = magics.find((each) => each.equals(found));
  if (magic !== undefined) {
    reader.take(magic.length);
    return magic;
  }
  const name = found.toString('latin1');
  const isOther = name.length === 4 && name.startsWith(magics[0]!.toString('latin1', 0, 3)) && /[0-9]$/.test(name);
  throw brokenDelta(isOther ? `it is of the version ${name}, which cannot be read` : `it is no ${what}`);
}
