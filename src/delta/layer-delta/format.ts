import { ByteReader, ByteWriter } from '../codec/bytes.ts';
import { brokenDelta } from '../codec/failure.ts';
import { blockLimit, memoryNeeded, type ElfTables } from '../codec/format.ts';
import { bytesOfMember, bytesOfPacking } from './members.ts';

/**
 * docs/layer-delta-format.md describes all of this for those who write another decoder. The second version lists members, which
 * are packed again; the third lists members, which may be none, and has models that are coded by planes; the fourth lists headers,
 * too, and may have streams that several blocks share.
 */
export type LayerDeltaVersion = 1 | 2 | 3 | 4;
const knownMagics: readonly Buffer[] = [1, 2, 3, 4].map((version) => Buffer.from(`ibl${version}`, 'latin1'));
/** Magic and four numbers. */
export const layerDeltaHeaderLimit = 4 + 4 * 8;
/** The coding of a file part: codec 1 of docs/delta-format.md. */
export const elfPart = 1;
/** Models, since version 3. */
export const planesPart = 2;
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
  /** A list of members follows, but for the first one; from the fourth on, one of headers, too. */
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
  writer.put(knownMagics[version - 1]!);
  for (const value of [oldSize, newSize, blockSize, memory]) writer.uvarint(value);
  return Buffer.from(writer.view());
}

/** Of bytes that begin with a header: what it says and how long it is. Throws a Failure. */
export function decodeLayerDeltaHeader(bytes: Uint8Array): { header: LayerDeltaHeader; size: number } {
  const reader = new ByteReader(bytes, 'its header');
  const found = expectMagic(reader, knownMagics, 'delta of a filesystem layer');
  const header = {
    version: (knownMagics.indexOf(found) + 1) as LayerDeltaVersion,
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
