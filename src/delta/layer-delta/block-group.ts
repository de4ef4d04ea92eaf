import { heard, packBlock, sizeOf, streamWriters, type BlockPacker, type StreamWriters } from '../codec/block.ts';
import { ByteWriter } from '../codec/bytes.ts';
import { blockLimit, mebibyte } from '../codec/format.ts';
import { sharedPart } from './format.ts';
import { sharedNames, sharingBlocks, type BlockKind } from './shared-streams.ts';

/** A block whose streams are larger is packed by itself: it gains little, and leaves less room for others. */
const largestBlock = 4 * mebibyte;
/** What waits in memory for its group to end, in bytes. */
const largestGroup = 2 * blockLimit;

/** Bytes that go out when their group ends, and may be packed until then; or a block whose streams are in it. */
type Item = { onSize?: (size: number) => void } & (
  | { kind?: undefined; bytes: Buffer | Promise<Buffer> }
  /** `bytes` is what stands before its table. */
  | { kind: BlockKind; bytes: Buffer; streams: Uint8Array[] }
);

/**
 * Gathers blocks that stand one after the other, so that streams of one name are packed as one. What comes out is that packed
 * stream, and then the blocks; or the blocks as they would be anyway, where fewer than two files are among them.
 */
export class BlockGroup {
  readonly #level: number;
  readonly #streams = streamWriters(sharedNames) as StreamWriters<string>;
  #items: Item[] = [];
  #waiting = 0;
  #files = 0;
  #begun = false;

  constructor(level: number) {
    this.#level = level;
  }

  /** Where a part begins: its blocks, and those of parts behind it, may share streams until the group ends. */
  begin(): void {
    this.#begun = true;
  }

  /** Whether so many more bytes of streams have room. */
  takes(streamBytes: number): boolean {
    return !this.isFull && this.#size + streamBytes <= blockLimit;
  }

  /** It can end within a part, too. */
  get isFull(): boolean {
    return !this.#begun || this.#waiting >= largestGroup;
  }

  /** Numbers that stand outside of blocks. */
  put(bytes: Uint8Array): void {
    // What another thread has made is no Buffer.
    this.#items.push({ bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length) });
    this.#waiting += bytes.length;
  }

  /** A block that makes so many bytes, or one that does not say it. `onSize` is told its bytes in the end. */
  async block(
    kind: BlockKind,
    head: Uint8Array,
    streams: Uint8Array[],
    onSize?: (size: number) => void,
  ): Promise<void> {
    const names = sharingBlocks[kind];
    const size = streams.reduce((sum, { length }) => sum + length, 0);
    if (!this.#begun) {
      // It is packed while what comes next is made.
      const bytes = heard(packed(names, streams, this.#level).then((block) => Buffer.concat([head, block])));
      this.#items.push({ bytes, ...(onSize && { onSize }) });
      return;
    }
    if (size > largestBlock || !this.takes(size)) {
      const bytes = Buffer.concat([head, await packed(names, streams, this.#level)]);
      onSize?.(bytes.length);
      this.put(bytes);
      return;
    }
    for (const [at, stream] of streams.entries()) this.#streams[`${kind} ${names[at]!}`]!.put(stream);
    if (kind === 'prelude') this.#files++;
    this.#items.push({ bytes: Buffer.from(head), kind, streams, ...(onSize && { onSize }) });
  }

  /** What was gathered, which is none then. It is packed from now on, whenever it is asked for. */
  end(): AsyncGenerator<Buffer> {
    const all = this.#size;
    const items = this.#items;
    const shared = this.#files > 1 ? heard(packBlock(sharedNames, this.#streams, this.#level)) : undefined;
    for (const name of sharedNames) this.#streams[name]!.clear();
    this.#items = [];
    this.#waiting = 0;
    this.#files = 0;
    this.#begun = false;
    if (shared !== undefined) return together(items, shared, all);
    return alone(
      items.map(({ onSize, ...item }) => {
        const rest = item.kind && heard(packed(sharingBlocks[item.kind], item.streams, this.#level));
        return { bytes: item.bytes, rest, onSize };
      }),
    );
  }

  get #size(): number {
    return sizeOf(sharedNames, this.#streams);
  }
}

async function* together(items: readonly Item[], shared: Promise<Buffer>, all: number): AsyncGenerator<Buffer> {
  const block = await shared;
  // A general part of no bytes comes before.
  yield Buffer.concat([Buffer.of(0, sharedPart), block]);
  for (const item of items) {
    if (item.kind === undefined) yield await item.bytes;
    else {
      const size = item.streams.reduce((sum, { length }) => sum + length, 0);
      const bytes = Buffer.concat([item.bytes, tableOf(item.streams)]);
      item.onSize?.(bytes.length + (block.length * size) / Math.max(1, all));
      yield bytes;
    }
  }
}

/** `rest`: a block that stands behind. */
async function* alone(
  items: readonly {
    bytes: Buffer | Promise<Buffer>;
    rest: Promise<Buffer> | undefined;
    onSize: ((size: number) => void) | undefined;
  }[],
): AsyncGenerator<Buffer> {
  for (const { bytes: before, rest, onSize } of items) {
    const bytes = rest === undefined ? await before : Buffer.concat([await before, await rest]);
    onSize?.(bytes.length);
    yield bytes;
  }
}

/** Sizes as of streams that are packed into as many bytes as they have: those are elsewhere. */
function tableOf(streams: readonly Uint8Array[]): Buffer {
  const table = new ByteWriter(64);
  for (const { length } of streams) {
    table.uvarint(length);
    if (length > 0) table.uvarint(length);
  }
  return Buffer.from(table.view());
}

/** A block of its own. */
export function packed(names: readonly string[], streams: readonly Uint8Array[], level: number): Promise<Buffer> {
  const writers = streamWriters(names);
  for (const [at, stream] of streams.entries()) writers[names[at]!]!.put(stream);
  return packBlock(names, writers, level);
}

/** A packer that takes streams out, for a block that is put together later: it returns no bytes. */
export function streamTaker(take: (streams: Buffer[]) => void): BlockPacker {
  return (names, streams) => {
    take(names.map((name) => Buffer.from(streams[name].view())));
    for (const name of names) streams[name].clear();
    return Promise.resolve(Buffer.alloc(0));
  };
}
