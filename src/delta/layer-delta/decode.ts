import { Failure } from '../../failure.ts';
import { readBlock, readUvarint } from '../codec/block.ts';
import { StreamSource } from '../codec/byte-source.ts';
import { decodePrelude, ElfDecoder, heldPart } from '../codec/elf/elf-decoder.ts';
import { tablesOf } from '../codec/elf/steps.ts';
import type { ByteReader } from '../codec/bytes.ts';
import { brokenDelta } from '../codec/failure.ts';
import {
  elfLimit,
  elfStreams,
  generalStreams,
  mebibyte,
  memoryLimit,
  preludeStreams,
  type ElfTables,
} from '../codec/format.ts';
import { decodeGeneralBlock } from '../codec/general-decoder.ts';
import { OldPages } from '../codec/old-pages.ts';
import { Output, type ByteSink } from '../codec/output.ts';
import { partOf, type RandomAccess } from '../source-spool.ts';
import { decodePlanesBlock } from '../tensors/decode-planes.ts';
import { planesStreams } from '../tensors/format.ts';
import {
  decodeLayerDeltaHeader,
  elfPart,
  sharedPart,
  layerDeltaHeaderLimit,
  layerMemoryNeeded,
  planesPart,
  type LayerDeltaHeader,
  type ListLengths,
} from './format.ts';
import { HeaderRestorer } from './header-restorer.ts';
import {
  expandedSize,
  listStreams,
  memberStreams,
  membersLimit,
  takeRepacked,
  type RepackedMember,
} from './members.ts';
import { Repacker } from './repacker.ts';
import { SharedStreams } from './shared-streams.ts';

export interface LayerDecodeOptions {
  /** How many ranges the old file consists of, and members of them: they are in memory. */
  ranges: number;
  oldMembers?: number;
  /** Memory that is granted, in bytes; 64 MiB unless said otherwise. */
  memory?: number;
}

/**
 * Makes the tar of a filesystem layer out of the old file (docs/layer-delta-format.md). Throws a Failure when the delta
 * breaks the format or needs more memory than is granted. There is no digest in it: what comes out counts when it has
 * that of the filesystem layer. Memory: what the delta declares, at most `memory`.
 */
export async function decodeLayerDelta(
  delta: AsyncIterable<Buffer>,
  old: RandomAccess,
  sink: ByteSink,
  { ranges, oldMembers = 0, memory = memoryLimit }: LayerDecodeOptions,
): Promise<LayerDeltaHeader> {
  const source = new StreamSource(delta);
  try {
    const { header, size } = decodeLayerDeltaHeader(await source.peek(layerDeltaHeaderLimit));
    await source.take(size);
    if (header.memory > memory) {
      const needed = Math.ceil(header.memory / mebibyte);
      throw new Failure({
        doing: 'reading a delta',
        because: `it needs ${needed} MiB of memory, and ${Math.floor(memory / mebibyte)} are granted`,
        fix: `grant it with --memory ${needed}, or make it with imgbuild, which needs less`,
        kind: 'input',
      });
    }
    if (header.oldSize !== old.size) {
      throw brokenDelta(`it was made for sources of ${header.oldSize} bytes, and these have ${old.size}`);
    }
    const { members, headers } = await readLists(source, header);
    const lengths = { ranges, oldMembers, newMembers: members.length, headers: headers?.left ?? 0 };
    const restorer = headers && new HeaderRestorer(headers, sink);
    const output = members.length === 0 ? (restorer ?? sink) : new Repacker(members, restorer ?? sink);
    await new Parts(source, header, expandedSize(header.newSize, members), lengths, old, output).decode();
    restorer?.end();
    await source.expectEnd();
    return header;
  } finally {
    await source.close();
  }
}

/** Members of the new tar, and the list of its headers where there is one. */
async function readLists(
  source: StreamSource,
  { version, newSize }: LayerDeltaHeader,
): Promise<{ members: RepackedMember[]; headers: ByteReader | undefined }> {
  if (version === 1) return { members: [], headers: undefined };
  if (version < 4) {
    const { members } = await readBlock(memberStreams, source, membersLimit);
    return { members: takeRepacked(members, newSize, version > 2 ? 0 : 1), headers: undefined };
  }
  const { members, headers } = await readBlock(listStreams, source, membersLimit);
  return {
    members: members.left === 0 ? [] : takeRepacked(members, newSize, 0),
    headers: headers.left === 0 ? undefined : headers,
  };
}

class Parts {
  readonly #source: StreamSource;
  readonly #header: LayerDeltaHeader;
  /** Of what the parts make: the new tar with its members unpacked. */
  readonly #size: number;
  readonly #lengths: ListLengths;
  readonly #old: RandomAccess;
  readonly #pages: OldPages;
  readonly #output: Output;
  #shared: SharedStreams | undefined;

  constructor(
    source: StreamSource,
    header: LayerDeltaHeader,
    size: number,
    lengths: ListLengths,
    old: RandomAccess,
    sink: ByteSink,
  ) {
    this.#source = source;
    this.#header = header;
    this.#size = size;
    this.#lengths = lengths;
    this.#old = old;
    this.#pages = new OldPages(old);
    this.#output = new Output(sink);
  }

  async decode(): Promise<void> {
    this.#expectDeclared(0);
    while (this.#output.size < this.#size) {
      await this.#generalPart();
      if (this.#output.size < this.#size) await this.#filePart();
    }
    this.#shared?.expectUsedUp();
    this.#output.flush();
  }

  async #generalPart(): Promise<void> {
    const size = await readUvarint(this.#source);
    if (size > this.#size - this.#output.size) throw brokenDelta(`it has a part of ${size} bytes`);
    const { blockSize } = this.#header;
    await this.#blocks(size, async (bytes) => {
      const streams = await readBlock(generalStreams, this.#source, blockSize, this.#shared?.of('general'));
      await decodeGeneralBlock(streams, bytes, this.#pages, this.#output);
    });
  }

  async #filePart(): Promise<void> {
    const coding = (await this.#source.take(1))[0]!;
    if (coding === sharedPart && this.#header.version > 3) return this.#sharedPart();
    const isPlanes = coding === planesPart && this.#header.version > 2;
    if (coding !== elfPart && !isPlanes) throw brokenDelta(`it has a file in the coding ${coding}, which is not known`);
    const size = await readUvarint(this.#source);
    const start = await readUvarint(this.#source);
    const oldSize = await readUvarint(this.#source);
    if (size === 0 || size > this.#size - this.#output.size) throw brokenDelta(`it has a file of ${size} bytes`);
    if (start + oldSize > this.#old.size) throw brokenDelta('it has a file that is made from beyond its sources');
    const old = partOf(this.#old, start, oldSize);
    if (isPlanes) await this.#planes(size, old);
    else await this.#elf(size, old);
  }

  async #planes(size: number, old: RandomAccess): Promise<void> {
    const pages = new OldPages(old);
    await this.#blocks(size, async (bytes) => {
      const streams = await readBlock(planesStreams, this.#source, this.#header.blockSize);
      await decodePlanesBlock(streams, bytes, pages, this.#output);
    });
  }

  async #elf(size: number, old: RandomAccess): Promise<void> {
    const oldSize = old.size;
    if (size >= elfLimit || oldSize >= elfLimit) throw brokenDelta('its files are too large for their coding');
    const { blockSize } = this.#header;
    const shared = this.#sharedSize();
    const first = await readBlock(preludeStreams, this.#source, blockSize, this.#shared?.of('prelude'));
    const prelude = decodePrelude(first, oldSize, size);
    this.#expectDeclared(shared, tablesOf(prelude.model, prelude.copies));
    const held = heldPart(prelude.model);
    if (held !== undefined) this.#output.hold(held);
    const elf = new ElfDecoder(prelude, new OldPages(old), size);
    await this.#blocks(size, async (bytes) => {
      const streams = await readBlock(elfStreams, this.#source, blockSize, this.#shared?.of('elf'));
      elf.block(streams, bytes, this.#output);
    });
  }

  async #sharedPart(): Promise<void> {
    this.#shared?.expectUsedUp();
    this.#shared = await SharedStreams.read(this.#source, this.#header.blockSize);
    this.#expectDeclared(this.#sharedSize());
  }

  /** Blocks until they have made as many bytes. */
  async #blocks(size: number, block: (bytes: number) => Promise<void>): Promise<void> {
    for (let left = size; left > 0;) {
      const bytes = await readUvarint(this.#source);
      if (bytes === 0 || bytes > left) throw brokenDelta(`it has a block of ${bytes} bytes`);
      await block(bytes);
      left -= bytes;
    }
  }

  /** Of streams that are not used up, in bytes. */
  #sharedSize(): number {
    return this.#shared === undefined || this.#shared.left === 0 ? 0 : this.#shared.size;
  }

  #expectDeclared(shared: number, elf?: ElfTables): void {
    if (this.#header.memory < layerMemoryNeeded(this.#header.blockSize, this.#lengths, elf) + shared) {
      throw brokenDelta('it declares less memory than it needs');
    }
  }
}
