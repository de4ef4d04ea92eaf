import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { unzstd } from '../image-source/unzstd.ts';
import { startProgram } from '../process/start.ts';

/** log2 of the most history, in bytes, that zstd may ask for: what `zstd -d` grants unless it is told otherwise. */
const zstdWindowLog = 27;

/** How control.tar is stored, by the end of its name (deb(5)). */
export type ControlCompression = '' | '.gz' | '.xz' | '.zst';

/** What a compressed stream holds. Errors are those of zlib, or a Failure of the `xz` program. */
export function decompress(
  compression: ControlCompression,
  bytes: AsyncIterable<Uint8Array>,
): AsyncIterable<Uint8Array> {
  if (compression === '') return bytes;
  if (compression === '.xz') return throughXz(bytes);
  if (compression === '.zst') return unzstd(bytes, zstdWindowLog);
  const stream = createGunzip();
  // What is wrong with the source destroys the stream, whose reader then sees the error.
  pipeline(Readable.from(bytes), stream, () => {});
  return stream;
}

async function* throughXz(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const env = { PATH: process.env.PATH, LC_ALL: 'C' };
  const stop = new AbortController();
  const xz = startProgram('xz', ['--decompress', '--stdout', '--format=xz', '--memlimit=256MiB'], {
    env,
    signal: stop.signal,
  });
  let failed: unknown;
  // A program that fails stops reading; its exit code tells why.
  pipeline(Readable.from(bytes), xz.stdin, (error) => {
    if (error && (error as NodeJS.ErrnoException).code !== 'EPIPE') failed = error;
  });
  let whole = false;
  try {
    for await (const chunk of xz.stdout) yield chunk as Uint8Array;
    const exitCode = await xz.exited;
    if (failed !== undefined) throw failed;
    if (exitCode !== 0)
      throw new RangeError(
        xz
          .stderr()
          .trim()
          .replace(/^xz: \(stdin\): /, '') || `xz: exit code ${exitCode}`,
      );
    whole = true;
  } finally {
    if (!whole) stop.abort(new Error('stopped'));
  }
}
