import { closeSync, ftruncateSync, openSync, read, rmSync } from 'node:fs';
import { promisify } from 'node:util';
import type { SourceLayer } from '../image-source/image.ts';
import { verified } from '../image-source/verified.ts';
import type { Digest } from '../oci/digest.ts';
import { readAhead } from './read-ahead.ts';
import { readAll, writeAll, type RandomAccess } from './source-spool.ts';

/** Bytes that copies may take, of all images together: what is beyond is fetched, unpacked and checked each time. */
const keptMost = 4 * 1024 * 1024 * 1024;
const pieceSize = 1024 * 1024;

/** What copies of filesystem layers may still take of the disk, in bytes: one for all that lie there at the same time. */
export interface Room {
  left: number;
}

/** 4 GiB. */
export function wholeRoom(): Room {
  return { left: keptMost };
}

export interface KeptTars {
  layers: SourceLayer[];
  /** The tar of a filesystem layer as it lies on the disk; undefined where there was no room, or it was not read yet. */
  file(diffId: Digest): RandomAccess | undefined;
  /** Removes what was kept and gives its room back; then each tar is read as it was the first time. */
  close(): void;
}

/**
 * Filesystem layers for those who read them more than once: a tar that was read to its end, and so was checked, comes from the disk
 * the next time, and is checked once more. Temporary files begin with `prefix`. Disk: the tars, those
 * that there is `room` for.
 */
export function keepTars(layers: readonly SourceLayer[], prefix: string, room: Room): KeptTars {
  const kept = new Map<Digest, { path: string; file: number; bytes: RandomAccess }>();

  async function* keeping(layer: SourceLayer, path: string): AsyncGenerator<Buffer, void, undefined> {
    const file = openSync(path, 'wx+', 0o600);
    let written = 0;
    let fits = true;
    let isWhole = false;
    try {
      for await (const chunk of layer.tar()) {
        if (fits) {
          fits = chunk.length <= room.left && hasWritten(file, chunk, written);
          if (fits) {
            written += chunk.length;
            room.left -= chunk.length;
          } else {
            // What others need the room for does not wait for the end of this filesystem layer.
            ftruncateSync(file, 0);
            room.left += written;
            written = 0;
          }
        }
        yield chunk;
      }
      isWhole = fits;
    } finally {
      if (isWhole) {
        const at: RandomAccess['read'] = (position, length, into) => readAll(file, into, length, position);
        const bytes = readAhead({ size: written, read: at, place: { path, start: 0 } });
        kept.set(layer.diffId, { path, file, bytes });
      } else {
        room.left += written;
        closeSync(file);
        rmSync(path, { force: true });
      }
    }
  }

  const tried = new Set<Digest>();
  return {
    layers: layers.map((layer, at): SourceLayer => {
      const { diffId } = layer;
      return {
        ...layer,
        blob: () => layer.blob(),
        tar() {
          const found = kept.get(diffId);
          if (found !== undefined) {
            return verified(piecesOf(found.file), { digest: diffId }, `the copy of the filesystem layer ${diffId}`);
          }
          if (tried.has(diffId)) return layer.tar();
          tried.add(diffId);
          return keeping(layer, `${prefix}-${at}`);
        },
      };
    }),
    file: (diffId) => kept.get(diffId)?.bytes,
    close() {
      for (const { path, file, bytes } of kept.values()) {
        closeSync(file);
        rmSync(path, { force: true });
        room.left += bytes.size;
      }
      kept.clear();
    },
  };
}

const readPiece = promisify(read);

/** Not a stream of `node:fs`: that closes the file, whatever it was told, where its reader leaves in the middle. */
async function* piecesOf(file: number): AsyncGenerator<Buffer, void, undefined> {
  for (let position = 0; ;) {
    const { bytesRead, buffer } = await readPiece(file, Buffer.allocUnsafe(pieceSize), 0, pieceSize, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

/** False where the disk has no room: the copy only saves time, and its source is still there. */
function hasWritten(file: number, bytes: Uint8Array, position: number): boolean {
  try {
    writeAll(file, bytes, position);
    return true;
  } catch (error) {
    if (['ENOSPC', 'EDQUOT', 'EFBIG'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}
