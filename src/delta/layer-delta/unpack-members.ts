import { createInflateRaw } from 'node:zlib';
import { brokenDelta } from '../codec/failure.ts';
import { mebibyte } from '../codec/format.ts';
import type { RandomAccess } from '../source-spool.ts';
import type { Member } from './members.ts';

/**
 * What a member of `file` unpacks to, in pieces. Throws a Failure where it is no deflate stream of these sizes: never more
 * bytes come than it says.
 */
export async function* unpackMember(file: RandomAccess, { start, size, unpackedSize }: Member): AsyncGenerator<Buffer> {
  const inflate = createInflateRaw({ chunkSize: 256 * 1024 });
  let read = 0;
  const feed = () => {
    const piece = Buffer.allocUnsafe(Math.min(mebibyte, size - read));
    file.read(start + read, piece.length, piece);
    read += piece.length;
    if (read === size) inflate.end(piece);
    else inflate.write(piece, feed);
  };
  feed();
  let made = 0;
  const wrong = () =>
    brokenDelta(`its sources have no member of ${size} bytes at ${start} that unpacks to ${unpackedSize}`);
  try {
    for await (const piece of inflate) {
      made += piece.length;
      if (made > unpackedSize) throw wrong();
      yield piece;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code?.startsWith('Z_') === true) throw wrong();
    throw error;
  }
  if (made !== unpackedSize || inflate.bytesWritten !== size) throw wrong();
}
