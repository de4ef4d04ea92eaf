import { Readable, pipeline } from 'node:stream';
import { constants, createZstdDecompress } from 'node:zlib';
import { streamSource, type ByteSource } from '../tar/byte-source.ts';
import { inSteps } from './in-steps.ts';

/**
 * Unpacks zstd of any number of frames, skippable ones left out (RFC 8878): Node's own decoder stops after the first.
 * `windowLog` is log2 of the most history that a frame may ask for, in bytes; memory is that and a few buffers.
 * Ends the source wherever it ends itself. Throws the decoder's error (its `code` begins with ZSTD or Z_) when the bytes
 * are damaged, cut or no zstd. `onPacked` is told of packed bytes as they are taken: what they give comes out before
 * much more is.
 */
export async function* unzstd(
  source: AsyncIterable<Uint8Array>,
  windowLog: number,
  onPacked?: (bytes: number) => void,
): AsyncGenerator<Buffer, void, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  try {
    yield* frames(streamSource({ [Symbol.asyncIterator]: () => iterator }), windowLog, onPacked);
  } finally {
    await iterator.return?.();
  }
}

async function* frames(
  bytes: ByteSource,
  windowLog: number,
  onPacked: ((bytes: number) => void) | undefined,
): AsyncGenerator<Buffer, void, undefined> {
  for (let first = true; ; first = false) {
    const magic = await bytes.read(4);
    if (magic.length === 0 && !first) return;
    if (magic.length === 4 && (magic.readUInt32LE(0) & 0xfffffff0) >>> 0 === 0x184d2a50) {
      const size = await bytes.read(4);
      if (size.length < 4 || (await bytes.skip(size.readUInt32LE(0))) < size.readUInt32LE(0)) throw cut();
      continue;
    }
    const params = { [constants.ZSTD_d_windowLogMax]: windowLog };
    // Where the steps are told, nothing may be read ahead.
    const step = onPacked === undefined ? {} : { highWaterMark: 1 };
    const packed = onPacked === undefined ? frame(bytes, magic) : inSteps(frame(bytes, magic), onPacked);
    const decoder = createZstdDecompress({ params, ...step });
    pipeline(Readable.from(packed, { objectMode: false, ...step }), decoder, () => {});
    for await (const chunk of decoder) yield chunk as Buffer;
  }
}

/** The bytes of one frame: its header, its blocks by their sizes, its checksum. */
async function* frame(bytes: ByteSource, magic: Buffer): AsyncGenerator<Buffer, void, undefined> {
  yield magic;
  const descriptor = await bytes.read(1);
  if (descriptor.length === 0) return;
  const flags = descriptor[0]!;
  const isSingle = (flags & 0x20) !== 0;
  const dictionary = [0, 1, 2, 4][flags & 3]!;
  const contentSize = [isSingle ? 1 : 0, 2, 4, 8][flags >> 6]!;
  yield descriptor;
  yield await bytes.read((isSingle ? 0 : 1) + dictionary + contentSize);
  for (let isLast = false; !isLast;) {
    const head = await bytes.read(3);
    yield head;
    if (head.length < 3) return;
    const value = head.readUIntLE(0, 3);
    isLast = (value & 1) === 1;
    const isRun = ((value >> 1) & 3) === 1;
    yield* bytes.chunks(isRun ? 1 : value >> 3);
  }
  if ((flags & 4) !== 0) yield await bytes.read(4);
}

function cut(): Error {
  return Object.assign(new Error('unexpected end of file'), { code: 'Z_BUF_ERROR' });
}
