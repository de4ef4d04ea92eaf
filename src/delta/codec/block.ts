import { promisify } from 'node:util';
import { constants, zstdCompress, zstdCompressSync, zstdDecompressSync, type ZstdOptions } from 'node:zlib';
import { ByteReader, ByteWriter } from './bytes.ts';
import { brokenDelta } from './failure.ts';
import { windowLog } from './format.ts';

const compress = promisify(zstdCompress);

/** Streams that a block gathers, by name. */
export type StreamWriters<Name extends string> = Record<Name, ByteWriter>;
export type StreamReaders<Name extends string> = Record<Name, ByteReader>;

export function streamWriters<Name extends string>(names: readonly Name[]): StreamWriters<Name> {
  return Object.fromEntries(names.map((name) => [name, new ByteWriter()])) as StreamWriters<Name>;
}

export function sizeOf<Name extends string>(names: readonly Name[], streams: StreamWriters<Name>): number {
  let size = 0;
  for (const name of names) size += streams[name].length;
  return size;
}

/** Makes a block of streams, and empties them. */
export type BlockPacker = <Name extends string>(
  names: readonly Name[],
  streams: StreamWriters<Name>,
) => Promise<Buffer>;

/** Of a block that is packed while others are gathered: a failure counts where it is awaited, and is not unheard before. */
export function heard<T>(work: Promise<T>): Promise<T> {
  work.catch(() => {});
  return work;
}

/** `level`: zstd's. */
export const packerAt =
  (level: number): BlockPacker =>
  (names, streams) =>
    packBlock(names, streams, level);

/**
 * Streams of programs have short matches: with those of three bytes, which zstd looks for from level 17 on, large ones become
 * 4 to 7 % smaller at levels 9, 12 and 15, and none became larger.
 */
export const elfPackerAt =
  (level: number): BlockPacker =>
  (names, streams) =>
    packBlock(names, streams, level, shortMatchesAt(level));

function shortMatchesAt(level: number): ZstdOptions['params'] {
  if (level < 9 || level >= 17) return {};
  const minMatch = { [constants.ZSTD_c_minMatch]: 3 };
  if (level > 12) return { ...minMatch, [constants.ZSTD_c_strategy]: constants.ZSTD_btultra };
  return {
    ...minMatch,
    [constants.ZSTD_c_strategy]: constants.ZSTD_btopt,
    [constants.ZSTD_c_searchLog]: 3,
    [constants.ZSTD_c_targetLength]: 32,
  };
}

/** Shorter streams are packed at once: to give them to another thread takes longer. */
const shortStream = 4096;

/** Packs and empties the streams: a table of sizes, then what is in them. Below about 40 bytes, packing never pays. */
export async function packBlock<Name extends string>(
  names: readonly Name[],
  streams: StreamWriters<Name>,
  level: number,
  params: ZstdOptions['params'] = {},
): Promise<Buffer> {
  const packed = await Promise.all(
    names.map(async (name) => {
      const raw = Buffer.from(streams[name].view());
      streams[name].clear();
      if (raw.length < 40) return { raw, zipped: undefined };
      const options: ZstdOptions = {
        params: {
          [constants.ZSTD_c_compressionLevel]: level,
          [constants.ZSTD_c_windowLog]: windowLog,
          [constants.ZSTD_c_checksumFlag]: 0,
          ...params,
        },
        pledgedSrcSize: raw.length,
      };
      const zipped = raw.length < shortStream ? zstdCompressSync(raw, options) : await compress(raw, options);
      return { raw, zipped: zipped.length < raw.length ? zipped : undefined };
    }),
  );
  const table = new ByteWriter(64);
  for (const { raw, zipped } of packed) {
    table.uvarint(raw.length);
    if (raw.length > 0) table.uvarint(zipped?.length ?? 0);
  }
  return Buffer.concat([table.view(), ...packed.map(({ raw, zipped }) => zipped ?? raw)]);
}

/** Bytes that come in order, exactly as many as asked for; a Failure where they end. */
export interface ByteSource {
  take(size: number): Promise<Buffer>;
}

/**
 * Reads one block. `shared` has the bytes of streams that are said to be packed into as many as they have, where that is
 * allowed. Memory: its unpacked streams, at most `limit` bytes, and the largest packed one; all checked before.
 */
export async function readBlock<Name extends string>(
  names: readonly Name[],
  source: ByteSource,
  limit: number,
  shared?: (name: Name, size: number) => Uint8Array,
): Promise<StreamReaders<Name>> {
  const sizes: { raw: number; zipped: number }[] = [];
  let total = 0;
  for (const name of names) {
    const raw = await readUvarint(source);
    total += raw;
    if (total > limit) throw brokenDelta(`a block of it is larger than the ${limit} bytes that it declares`);
    const zipped = raw === 0 ? 0 : await readUvarint(source);
    if (zipped > (shared === undefined ? raw - 1 : raw) && raw > 0)
      throw brokenDelta(`its stream ${name} is larger packed than it is`);
    sizes.push({ raw, zipped });
  }
  const streams: [Name, ByteReader][] = [];
  for (const [at, name] of names.entries()) {
    const { raw, zipped } = sizes[at]!;
    if (shared !== undefined && raw > 0 && zipped === raw) {
      streams.push([name, new ByteReader(shared(name, raw), `its stream ${name}`)]);
      continue;
    }
    const bytes = await source.take(zipped === 0 ? raw : zipped);
    streams.push([name, new ByteReader(zipped === 0 ? bytes : unpack(bytes, raw, name), `its stream ${name}`)]);
  }
  return Object.fromEntries(streams) as StreamReaders<Name>;
}

function unpack(bytes: Buffer, size: number, name: string): Buffer {
  let raw: Buffer;
  try {
    raw = zstdDecompressSync(bytes, {
      maxOutputLength: size,
      chunkSize: Math.max(64, size),
      params: { [constants.ZSTD_d_windowLogMax]: windowLog },
    });
  } catch (error) {
    throw brokenDelta(`its stream ${name} cannot be unpacked: ${(error as Error).message}`);
  }
  if (raw.length !== size) throw brokenDelta(`its stream ${name} has ${raw.length} bytes instead of ${size}`);
  return raw;
}

export async function readUvarint(source: ByteSource): Promise<number> {
  const bytes: number[] = [];
  for (;;) {
    const byte = (await source.take(1))[0]!;
    bytes.push(byte);
    if (byte < 0x80 || bytes.length > 8) return new ByteReader(Buffer.from(bytes), 'a size in it').uvarint();
  }
}

/** A block ends with its streams: what is left over was not meant for this decoder. */
export function expectUsedUp<Name extends string>(names: readonly Name[], streams: StreamReaders<Name>): void {
  for (const name of names) {
    if (streams[name].left > 0) throw brokenDelta(`its stream ${name} has ${streams[name].left} bytes too many`);
  }
}
