import type { Failure } from '../failure.ts';
import { type ByteSource, streamSource } from './byte-source.ts';
import { damaged } from './damaged.ts';
import {
  blockSize,
  decodeHeader,
  isZeroBlock,
  padding,
  type TarEntryType,
  type TarHeader,
  withoutContents,
} from './header.ts';
import { decodeName } from './name.ts';
import { applyPax, decodePax, type PaxRecords } from './pax.ts';

/** An entry of an archive, its long names and pax records applied. Offsets are bytes from the archive's start. */
export interface TarEntry {
  header: TarHeader & { type: TarEntryType };
  /** Records of the entry's own pax header and of the global ones before it. */
  pax: PaxRecords;
  /** Where its first header block stands: an extension header, where it has one. */
  start: number;
  /** Where its contents stand: `header.size` bytes, as stored (holes of sparse files are not in them). */
  contentStart: number;
  /** Whether the contents as stored are a map and the parts of a sparse file. */
  sparse: boolean;
}

export interface ReadTarEntry extends TarEntry {
  /** The contents; to be read, if at all, before the next entry is asked for. */
  contents(): AsyncGenerator<Buffer, void, undefined>;
}

/** Long names and pax headers are held in memory; real ones are a few hundred bytes, xattrs at most 64 KiB each. */
export const extensionLimit = 1024 * 1024;

/**
 * Reads an archive from front to end: v7, ustar, pax, GNU. Ends at the first zero block or at the source's end.
 * Throws a Failure where a header is damaged or the archive is cut.
 */
export async function* readTar(
  from: ByteSource | AsyncIterable<Uint8Array>,
): AsyncGenerator<ReadTarEntry, void, undefined> {
  const source = 'chunks' in from ? from : streamSource(from);
  const globals: PaxRecords = new Map();
  for (;;) {
    const start = source.position;
    const extensions = await readExtensions(source, globals);
    if (extensions === undefined) return;
    const joint = joined(extensions, globals);
    const { header } = joint;
    if (header.type === 'gnu-sparse') await skipSparseMap(source, extensions.block);
    const contentStart = source.position;
    const end = contentStart + header.size;
    const entry: ReadTarEntry = {
      ...joint,
      start,
      contentStart,
      async *contents() {
        for await (const chunk of source.chunks(end - source.position)) yield chunk;
        if (source.position < end) throw cut(source.position);
      },
    };
    yield entry;
    const rest = end + padding(header.size) - source.position;
    // The last padding may be missing; contents may not.
    if ((await source.skip(rest)) < rest && source.position < end) throw cut(source.position);
  }
}

/** A header and what the extension headers before it say. */
export interface Extensions {
  block: Buffer;
  header: TarHeader;
  own: PaxRecords;
  longName?: string;
  longLink?: string;
}

/** The entry that they speak of. */
export function joined(
  { header: plain, own, longName, longLink }: Omit<Extensions, 'block'>,
  globals: PaxRecords,
): Pick<TarEntry, 'header' | 'pax' | 'sparse'> {
  const pax: PaxRecords = globals.size === 0 ? own : new Map([...globals, ...own]);
  const header = pax.size === 0 ? plain : applyPax(plain, pax);
  if (longName !== undefined && !own.has('path')) header.name = longName;
  if (longLink !== undefined && !own.has('linkpath')) header.linkName = longLink;
  if (header.type === 'file' && header.name.endsWith('/')) header.type = 'directory';
  if (withoutContents.has(header.type)) header.size = 0;
  const sparse = header.type === 'gnu-sparse' || pax.keys().some((key) => key.startsWith('GNU.sparse.'));
  return { header: header as TarEntry['header'], pax, sparse };
}

/** Reads up to the header of the next entry; undefined at the archive's end. */
async function readExtensions(source: ByteSource, globals: PaxRecords): Promise<Extensions | undefined> {
  const own: PaxRecords = new Map();
  let longName: string | undefined;
  let longLink: string | undefined;
  for (;;) {
    const block = await source.read(blockSize);
    if (block.length === 0) return undefined;
    if (block.length < blockSize) throw cut(source.position);
    if (isZeroBlock(block)) return undefined;
    const header = decodeHeader(block);
    switch (header.type) {
      case 'pax':
        for (const [key, value] of decodePax(await readExtension(source, header.size))) own.set(key, value);
        break;
      case 'pax-global':
        for (const [key, value] of decodePax(await readExtension(source, header.size))) globals.set(key, value);
        break;
      case 'gnu-long-name':
        longName = untilNul(await readExtension(source, header.size));
        break;
      case 'gnu-long-link':
        longLink = untilNul(await readExtension(source, header.size));
        break;
      default:
        return {
          block,
          header,
          own,
          ...(longName === undefined ? {} : { longName }),
          ...(longLink === undefined ? {} : { longLink }),
        };
    }
  }
}

/** The contents of an extension header. */
export async function readExtension(source: ByteSource, size: number): Promise<Buffer> {
  if (size > extensionLimit)
    throw damaged('reading a tar', `an extension header of ${size} bytes at byte ${source.position}`);
  const bytes = await source.read(size);
  const pad = padding(size);
  if (bytes.length < size || (await source.skip(pad)) < pad) throw cut(source.position);
  return bytes;
}

async function skipSparseMap(source: ByteSource, header: Buffer): Promise<void> {
  const map = sparseMapBlocks(source, header);
  while (!(await map.next()).done);
}

/** GNU's old sparse format continues its map in further blocks while a flag says so (GNU tar manual, "Old GNU"). */
export async function* sparseMapBlocks(source: ByteSource, header: Buffer): AsyncGenerator<Buffer, void, undefined> {
  let more = header[482] !== 0;
  while (more) {
    const block = await source.read(blockSize);
    if (block.length < blockSize) throw cut(source.position);
    more = block[504] !== 0;
    yield block;
  }
}

export function untilNul(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return decodeName(end === -1 ? bytes : bytes.subarray(0, end));
}

export function cut(position: number): Failure {
  return damaged('reading a tar', `it is cut off at byte ${position}`);
}
