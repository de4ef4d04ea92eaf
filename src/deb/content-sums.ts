import { createHash, type Hash } from 'node:crypto';
import { after, type TarContents } from '../tar/pack.ts';
import type { FileEntry, FileOnDisk } from './entry.ts';
import type { HashedPiece, Hasher } from './hasher.ts';

/** What lies in a buffer and has not been hashed: pieces in order, and the files that end in it. */
interface Noted {
  pieces: HashedPiece[];
  files: FileEntry[];
}

/**
 * The sums of files, from the buffers that they are read into on their way into an archive: md5 by `hasher`, and sha256
 * (hex) in this thread meanwhile where `onFile` wants it of files on disk.
 */
export class ContentSums {
  /** md5 (hex) by the paths of files that are not empty. */
  readonly byPath = new Map<string, string>();
  readonly #hasher: Hasher;
  readonly #onFile: ((file: FileOnDisk, sha256: string) => void) | undefined;
  #sha256: Hash | undefined;
  readonly #noted = new Map<ArrayBufferLike, Noted>();

  constructor(hasher: Hasher, onFile?: (file: FileOnDisk, sha256: string) => void) {
    this.#hasher = hasher;
    this.#onFile = onFile;
  }

  /** Contents that are noted while they are read. */
  watch(file: FileEntry, contents: TarContents, onBytes: (count: number) => void): TarContents {
    let last: { piece: HashedPiece; files: FileEntry[] } | undefined;
    return {
      read: (into) =>
        after(contents.read(into), (count) => {
          const noted = this.#notedIn(into.buffer);
          const piece = { start: into.byteOffset, end: into.byteOffset + count, ends: false };
          noted.pieces.push(piece);
          last = { piece, files: noted.files };
          onBytes(count);
          return count;
        }),
      finish: () =>
        after(contents.finish(), () => {
          if (last === undefined) return;
          last.piece.ends = true;
          last.files.push(file);
        }),
      close: () => contents.close(),
    };
  }

  #notedIn(buffer: ArrayBufferLike): Noted {
    const known = this.#noted.get(buffer);
    if (known !== undefined) return known;
    const noted = { pieces: [], files: [] };
    this.#noted.set(buffer, noted);
    return noted;
  }

  /** Hashes what lies in the buffer of `chunk` while `take` has it, too; resolves when both are done with it. */
  async whileTaken(chunk: Uint8Array, take: () => Promise<void>): Promise<void> {
    const noted = this.#noted.get(chunk.buffer);
    this.#noted.delete(chunk.buffer);
    const hashed = noted === undefined ? [] : this.#hasher.md5(chunk.buffer as SharedArrayBuffer, noted.pieces);
    // After the other thread has begun: it may work here, too.
    const taken = take();
    if (noted !== undefined && this.#onFile !== undefined) this.#hashHere(chunk.buffer, noted, this.#onFile);
    const [hexes] = await Promise.all([hashed, taken]);
    for (const [index, hex] of hexes.entries()) this.byPath.set(noted!.files[index]!.path, hex);
  }

  #hashHere(
    buffer: ArrayBufferLike,
    { pieces, files }: Noted,
    onFile: (file: FileOnDisk, sha256: string) => void,
  ): void {
    let ended = 0;
    for (const { start, end, ends } of pieces) {
      this.#sha256 ??= createHash('sha256');
      this.#sha256.update(new Uint8Array(buffer, start, end - start));
      if (!ends) continue;
      const { source } = files[ended++]!;
      if (source.from === 'disk') onFile(source, this.#sha256.digest('hex'));
      this.#sha256 = undefined;
    }
  }
}
