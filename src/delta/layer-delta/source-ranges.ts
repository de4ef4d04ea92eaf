import { hexOf, type Digest } from '../../oci/digest.ts';
import { readBlock, packBlock, streamWriters } from '../codec/block.ts';
import { StreamSource } from '../codec/byte-source.ts';
import { ByteReader } from '../codec/bytes.ts';
import { brokenDelta } from '../codec/failure.ts';
import { expectMagic } from './format.ts';
import { putMembers, sumUnpacked, takeMembers, type Member } from './members.ts';

/** Bytes of one old filesystem layer that deltas read from: of its uncompressed tar, in order. */
export interface LayerRanges {
  diffId: Digest;
  /** Where each range begins in the tar, and its size, in bytes. */
  starts: Float64Array;
  sizes: Float64Array;
  /** Where the first one lies in the old file; the others follow. */
  place: number;
}

/**
 * What all layer deltas of one image are made from: the old file is these ranges, one after the other, and then what members
 * of them unpack to.
 */
export interface SourceRanges {
  layers: LayerRanges[];
  /** All ranges. */
  count: number;
  /** Of all ranges, in bytes. */
  rangesSize: number;
  /** Their places are in the ranges, as they lie in the old file. */
  members: readonly Member[];
  /** Of the old file, in bytes. */
  size: number;
}

export const sourcesMagic = Buffer.from('ibs1', 'latin1');
/** Of one that lists members. */
export const unpackingMagic = Buffer.from('ibs2', 'latin1');
export const layerLimit = 1024;
export const rangeLimit = 2 ** 18;
/** Of the unpacked stream, in bytes. */
export const rangesLimit = 2 ** 23;
const streamNames = ['ranges'] as const;

export const noRanges: SourceRanges = { layers: [], count: 0, rangesSize: 0, members: [], size: 0 };

/** Gives each range its place in the old file. */
export function placed(layers: readonly Omit<LayerRanges, 'place'>[]): SourceRanges {
  let count = 0;
  let size = 0;
  const all = layers.map((layer) => {
    const place = size;
    count += layer.sizes.length;
    for (const each of layer.sizes) size += each;
    return { ...layer, place };
  });
  return { layers: all, count, rangesSize: size, members: [], size };
}

/** `members`: in the order of their places. */
export function withMembers(ranges: SourceRanges, members: readonly Member[]): SourceRanges {
  return { ...ranges, members, size: ranges.rangesSize + sumUnpacked(members) };
}

export async function encodeSourceRanges({ layers, members }: SourceRanges, level: number): Promise<Buffer> {
  const streams = streamWriters(streamNames);
  const { ranges } = streams;
  ranges.uvarint(layers.length);
  for (const { diffId, starts, sizes } of layers) {
    ranges.put(Buffer.from(hexOf(diffId), 'hex'));
    ranges.uvarint(starts.length);
    let end = 0;
    for (const [at, start] of starts.entries()) {
      ranges.uvarint(start - end);
      ranges.uvarint(sizes[at]!);
      end = start + sizes[at]!;
    }
  }
  if (members.length > 0) putMembers(ranges, members);
  return Buffer.concat([
    members.length > 0 ? unpackingMagic : sourcesMagic,
    await packBlock(streamNames, streams, level),
  ]);
}

/** Throws a Failure where the bytes break the format. Memory: the blob and what it unpacks to, and the lists. */
export async function decodeSourceRanges(bytes: AsyncIterable<Buffer>): Promise<SourceRanges> {
  const source = new StreamSource(bytes);
  try {
    const first = new ByteReader(await source.peek(sourcesMagic.length), 'it');
    const magic = expectMagic(first, [sourcesMagic, unpackingMagic], 'list of sources');
    await source.take(sourcesMagic.length);
    const { ranges } = await readBlock(streamNames, source, rangesLimit);
    const sources = parse(ranges, magic === unpackingMagic);
    await source.expectEnd();
    return sources;
  } finally {
    await source.close();
  }
}

function parse(reader: ByteReader, unpacks: boolean): SourceRanges {
  const count = reader.uvarint();
  if (count > layerLimit) throw brokenDelta(`it reads from ${count} filesystem layers`);
  const layers: Omit<LayerRanges, 'place'>[] = [];
  const seen = new Set<Digest>();
  let all = 0;
  for (let layer = 0; layer < count; layer++) {
    const diffId: Digest = `sha256:${Buffer.from(reader.take(32)).toString('hex')}`;
    if (seen.has(diffId)) throw brokenDelta(`it names the filesystem layer ${diffId} twice`);
    seen.add(diffId);
    const ranges = reader.uvarint();
    all += ranges;
    if (ranges === 0) throw brokenDelta('it reads nothing from a filesystem layer that it names');
    if (all > rangeLimit) throw brokenDelta(`it reads from more than ${rangeLimit} ranges`);
    const starts = new Float64Array(ranges);
    const sizes = new Float64Array(ranges);
    let end = 0;
    for (let at = 0; at < ranges; at++) {
      starts[at] = end + reader.uvarint();
      sizes[at] = reader.uvarint();
      end = starts[at]! + sizes[at]!;
      if (sizes[at] === 0 || !Number.isSafeInteger(end)) throw brokenDelta('it has a range that no file has');
    }
    layers.push({ diffId, starts, sizes });
  }
  const ranges = placed(layers);
  const sources = unpacks ? withMembers(ranges, takeMembers(reader, ranges.rangesSize)) : ranges;
  if (reader.left > 0) throw brokenDelta(`its stream ranges has ${reader.left} bytes too many`);
  if (!Number.isSafeInteger(sources.size)) throw brokenDelta('its ranges are larger than any file');
  return sources;
}
