import { createHash } from 'node:crypto';
import { Readable, pipeline, type TransformOptions } from 'node:stream';
import { createGunzip, type ZlibOptions } from 'node:zlib';
import { Failure } from '../failure.ts';
import type { Digest } from '../oci/digest.ts';
import type { ByteStream } from './image.ts';
import { inSteps } from './in-steps.ts';
import { unzstd } from './unzstd.ts';

/** zstd frames of filesystem layers may ask for this much history: 2^27 bytes, the most that zstd takes by itself. */
const layerWindowLog = 27;

/** What zlib gives at a time, in bytes. Each piece costs a change of threads and back: by itself it would give 16 KiB. */
const pieceSize = 128 * 1024;

/**
 * Passes bytes on and fails before the end when size (where given) or digest is wrong. `what` names them in messages:
 * "filesystem layer sha256:… of docker-daemon:app".
 */
export async function* verified(
  source: AsyncIterable<Uint8Array>,
  expected: { digest: Digest; size?: number },
  what: string,
): AsyncGenerator<Buffer, void, undefined> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const piece of source) {
    const chunk = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    size += chunk.length;
    if (expected.size !== undefined && size > expected.size) throw mismatch(what, `more than ${expected.size} bytes`);
    hash.update(chunk);
    yield chunk;
  }
  if (expected.size !== undefined && size !== expected.size) {
    throw mismatch(what, `${size} bytes instead of ${expected.size}`);
  }
  const digest = `sha256:${hash.digest('hex')}`;
  if (digest !== expected.digest) throw mismatch(what, `its bytes have the digest ${digest}, not ${expected.digest}`);
}

/**
 * Undoes gzip or zstd, told by the first bytes; anything else passes as it is. `onPacked` is told of bytes of the source
 * as they are taken: what they give comes out before much more is.
 */
export async function* decompressed(
  source: ByteStream,
  what: string,
  onPacked?: (bytes: number) => void,
): AsyncGenerator<Buffer, void, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  let head: Buffer = Buffer.alloc(0);
  while (head.length < 4) {
    const next = await iterator.next();
    if (next.done === true) break;
    head = head.length === 0 ? next.value : Buffer.concat([head, next.value]);
  }
  const whole = (async function* () {
    if (head.length > 0) yield head;
    yield* { [Symbol.asyncIterator]: () => iterator };
  })();
  try {
    if (head.length >= 2 && head.readUInt16BE(0) === 0x1f8b) {
      const step: TransformOptions & ZlibOptions =
        onPacked === undefined ? { chunkSize: pieceSize } : { highWaterMark: 1 };
      const packed = onPacked === undefined ? whole : inSteps(whole, onPacked);
      const decoder = createGunzip(step);
      pipeline(
        Readable.from(packed, onPacked === undefined ? { objectMode: false } : { objectMode: false, highWaterMark: 1 }),
        decoder,
        () => {},
      );
      for await (const chunk of decoder) yield chunk as Buffer;
    } else if (head.length >= 4 && isZstd(head)) {
      yield* unzstd(whole, layerWindowLog, onPacked);
    } else {
      yield* onPacked === undefined ? whole : inSteps(whole, onPacked);
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (error instanceof Failure || !/^(Z_|ZSTD)/.test(code)) throw error;
    throw mismatch(what, `it cannot be unpacked: ${(error as Error).message}`);
  }
}

/** A zstd frame, or a skippable one in front of it. */
function isZstd(head: Buffer): boolean {
  const magic = head.readUInt32LE(0);
  return magic === 0xfd2fb528 || (magic & 0xfffffff0) >>> 0 === 0x184d2a50;
}

function mismatch(what: string, because: string): Failure {
  return new Failure({
    doing: `reading ${what}`,
    because,
    fix: 'the copy is damaged or incomplete: fetch or save it again',
    kind: 'operation',
  });
}
