import { readBlock, type ByteSource, type StreamReaders } from '../codec/block.ts';
import type { ByteReader } from '../codec/bytes.ts';
import { brokenDelta } from '../codec/failure.ts';
import { elfStreams, generalStreams, preludeStreams } from '../codec/format.ts';

/** Blocks whose streams may be parts of longer ones, which stand before them: by what they are of. */
export const sharingBlocks = { general: generalStreams, prelude: preludeStreams, elf: elfStreams } as const;
export type BlockKind = keyof typeof sharingBlocks;

/** The streams that are shared, in their order. */
export const sharedNames = Object.entries(sharingBlocks).flatMap(([kind, names]) =>
  names.map((name) => `${kind} ${name}` as const),
);

/** Streams that several blocks take their parts from, one after the other. */
export class SharedStreams {
  readonly #streams: StreamReaders<string>;
  /** Of all streams, unpacked, in bytes. */
  readonly size: number;

  constructor(streams: StreamReaders<string>) {
    this.#streams = streams;
    this.size = this.left;
  }

  static async read(source: ByteSource, limit: number): Promise<SharedStreams> {
    return new SharedStreams(await readBlock(sharedNames, source, limit));
  }

  /** For a block of this kind: the next bytes of the stream of that name. */
  of(kind: BlockKind): (name: string, size: number) => Uint8Array {
    return (name, size) => this.#stream(`${kind} ${name}`).take(size);
  }

  get left(): number {
    return sharedNames.reduce((sum, name) => sum + this.#stream(name).left, 0);
  }

  expectUsedUp(): void {
    if (this.left > 0) throw brokenDelta(`its shared streams have ${this.left} bytes too many`);
  }

  #stream(name: string): ByteReader {
    return this.#streams[name]!;
  }
}
