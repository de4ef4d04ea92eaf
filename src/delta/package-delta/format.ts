import type { ByteReader } from '../codec/bytes.ts';
import { packBlock, readBlock, streamWriters, type ByteSource } from '../codec/block.ts';
import { brokenDelta } from '../codec/failure.ts';
import { decodeName, encodeName } from '../../tar/name.ts';
import { pathParts } from '../locate-entries.ts';
import { pathLimit, sumSize, type InstalledFile } from './installed-files.ts';
import { plainSize } from './plain-package.ts';

/** docs/package-delta-format.md describes all of this for those who write another decoder. */
export const packageDeltaMagic = Buffer.from('ibp1', 'latin1');
const streamNames = ['numbers', 'paths', 'sums'] as const;
/** Of the unpacked streams, in bytes; and files that a package may be made from. */
const headLimit = 2 ** 23;
export const fileLimit = 2 ** 17;

/** What stands in front of the deltas of a package. Sizes in bytes. */
export interface PackageDeltaHead {
  /** Of the two tars that come out. */
  control: number;
  data: number;
  /** Of the list of ranges, the delta of control.tar and that of data.tar, which follow in this order. */
  sources: number;
  controlDelta: number;
  dataDelta: number;
  /** Of the old package, as the device has them. */
  files: readonly InstalledFile[];
}

/** Undefined where it would be larger than decoders accept. */
export async function encodeHead(head: PackageDeltaHead, level: number): Promise<Buffer | undefined> {
  const streams = streamWriters(streamNames);
  const { numbers, paths, sums } = streams;
  for (const number of [head.control, head.data, head.sources, head.controlDelta, head.dataDelta, head.files.length]) {
    numbers.uvarint(number);
  }
  for (const { path, size, mode, mtime, sum } of head.files) {
    const name = encodeName(path);
    for (const number of [name.length, size, mode, mtime]) numbers.uvarint(number);
    paths.put(name);
    sums.put(sum);
  }
  if (head.files.length > fileLimit || numbers.length + paths.length + sums.length > headLimit) return undefined;
  return Buffer.concat([packageDeltaMagic, await packBlock(streamNames, streams, level)]);
}

/** Throws a Failure where the bytes break the format. */
export async function decodeHead(source: ByteSource): Promise<PackageDeltaHead> {
  if (!(await source.take(packageDeltaMagic.length)).equals(packageDeltaMagic))
    throw brokenDelta('it is no delta of a package');
  const streams = await readBlock(streamNames, source, headLimit);
  const { numbers, paths, sums } = streams;
  const [control, data, sources, controlDelta, dataDelta, count] = Array.from({ length: 6 }, () =>
    numbers.uvarint(),
  ) as Six;
  if (count > fileLimit) throw brokenDelta(`it reads from ${count} files`);
  const files: InstalledFile[] = [];
  for (let at = 0; at < count; at++) files.push(takeFile(numbers, paths, sums));
  if (numbers.left + paths.left + sums.left > 0) throw brokenDelta('its list of files is longer than what it is for');
  try {
    plainSize(control, data);
  } catch (error) {
    throw brokenDelta((error as Error).message);
  }
  return { control, data, sources, controlDelta, dataDelta, files };
}

type Six = [number, number, number, number, number, number];

function takeFile(numbers: ByteReader, paths: ByteReader, sums: ByteReader): InstalledFile {
  const [length, size, mode, mtime] = Array.from({ length: 4 }, () => numbers.uvarint()) as [
    number,
    number,
    number,
    number,
  ];
  if (length > pathLimit || mode > 0o7777 || Math.max(size, mtime) >= 8 ** 11)
    throw brokenDelta('it reads from a file that none is');
  const path = decodeName(paths.take(length));
  if (pathParts(path)?.join('/') !== path)
    throw brokenDelta(`it reads from the path ${JSON.stringify(path.slice(0, 200))}`);
  return { path, size, mode, mtime, sum: Buffer.from(sums.take(sumSize)) };
}
