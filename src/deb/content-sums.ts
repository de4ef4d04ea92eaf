import type { TarContents } from '../tar/pack.ts';
import type { HashedPiece, Hasher } from './hasher.ts';

/** The md5 sums of files, from the buffers that they are read into on their way into an archive. */
export class ContentSums {
  /** Hex digests by the paths of files that are not empty. */
  readonly byPath = new Map<string, string>();
  readonly #hasher: Hasher;
  /** What lies in each buffer and has not been hashed: pieces in order, and the files that end in it. */
  readonly #pieces = new Map<ArrayBufferLike, { pieces: HashedPiece[]; paths: string[] }>();

  constructor(hasher: Hasher) {
    this.#hasher = hasher;
  }

  /** Contents that are noted while they are read. */
  watch(path: string, contents: TarContents, onBytes: (count: number) => void): TarContents {
    let last: { piece: HashedPiece; paths: string[] } | undefined;
    return {
      read: async (into) => {
        const count = await contents.read(into);
        const { buffer, byteOffset: start } = into;
        const noted = this.#pieces.get(buffer) ?? { pieces: [], paths: [] };
        this.#pieces.set(buffer, noted);
        const piece = { start, end: start + count, ends: false };
        noted.pieces.push(piece);
        last = { piece, paths: noted.paths };
        onBytes(count);
        return count;
      },
      finish: async () => {
        await contents.finish();
        if (last === undefined) return;
        last.piece.ends = true;
        last.paths.push(path);
      },
      close: () => contents.close(),
    };
  }

  /** Hashes what lies in the buffer of `chunk` while somebody else takes it, too; resolves when both are done with it. */
  async whileTaken(chunk: Uint8Array, taken: Promise<void>): Promise<void> {
    const noted = this.#pieces.get(chunk.buffer);
    this.#pieces.delete(chunk.buffer);
    const hashed = noted === undefined ? [] : this.#hasher.md5(chunk.buffer as SharedArrayBuffer, noted.pieces);
    const [hexes] = await Promise.all([hashed, taken]);
    for (const [index, hex] of hexes.entries()) this.byPath.set(noted!.paths[index]!, hex);
  }
}
