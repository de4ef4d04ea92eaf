import { createHash } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { BlockSizer } from '../codec/block-sizer.ts';
import { packBlock, streamWriters } from '../codec/block.ts';
import { ByteWriter } from '../codec/bytes.ts';
import { blockLimit, memoryLimit, type ElfTables } from '../codec/format.ts';
import { encodePieces, type Piece } from '../codec/general-encoder.ts';
import { levelFor, type EncodedLayer, type StoredLayer } from '../encode-layer.ts';
import { readAll, writeAll, type RandomAccess } from '../source-spool.ts';
import { accountOf, type AccountedEntry } from './account.ts';
import { entryPieces, type EntryComparison } from './entry-pieces.ts';
import { expandLayer, type ExpandedLayer } from './expanded-layer.ts';
import type { Expansion } from './expansion.ts';
import { encodeFileParts, type FilePart, type FileParts } from './file-parts.ts';
import type { EntrySources } from './find-sources.ts';
import { encodeLayerDeltaHeader, layerMemoryNeeded, type LayerDeltaVersion, type ListLengths } from './format.ts';
import { memberStreams, putMembers, type RepackedMember } from './members.ts';
import type { OldBytes } from './old-bytes.ts';

export interface LayerDeltaWork {
  layer: StoredLayer;
  sources: readonly EntrySources[];
  /** By number of entry; `inflated` holds what their members unpack to. */
  expansions: ReadonlyMap<number, Expansion>;
  inflated: RandomAccess;
  old: OldBytes;
  /** How many ranges the old file consists of, and members of them. */
  lengths: Omit<ListLengths, 'newMembers'>;
  /** Where the delta goes; a temporary file lies beside it meanwhile. */
  path: string;
  /** Bytes of the new tar that were coded since the last call; it may throw to end the work. */
  onBytes: (bytes: number) => void;
}

export interface EncodedLayerDelta extends EncodedLayer {
  /** In the order of the tar. What they do not sum up to is the rest: numbers of parts, the end of the tar. */
  entries: AccountedEntry[];
  /** Of the format: what reads it must know that. */
  version: LayerDeltaVersion;
}

/**
 * Writes a filesystem layer as a layer delta (docs/layer-delta-format.md). Memory: as for one pair of files, at most 1 GiB,
 * and a few hundred bytes for each entry.
 */
export async function encodeLayerDelta(work: LayerDeltaWork): Promise<EncodedLayerDelta> {
  const file = openSync(work.layer.path, 'r');
  const { size } = work.layer;
  const stored: RandomAccess = { size, read: (position, length, into) => readAll(file, into, length, position) };
  const layer = expandLayer(stored, work.sources, work.expansions, work.inflated);
  const lengths = { ...work.lengths, newMembers: layer.members.length };
  const level = levelFor(novelBytes(work.layer, work.sources));
  const fits = (tables: ElfTables) => layerMemoryNeeded(blockLimit, lengths, tables) <= memoryLimit;
  try {
    const elf = { tar: layer.tar, old: work.old, level, fits, onBytes: work.onBytes };
    const parts = await encodeFileParts(layer.sources, `${work.path}.parts`, elf);
    try {
      return await writeDelta(work, layer, lengths, level, parts);
    } finally {
      parts.close();
    }
  } finally {
    closeSync(file);
  }
}

async function writeDelta(
  { layer, sources: stored, old, path, onBytes }: LayerDeltaWork,
  { tar, sources, members }: ExpandedLayer,
  lengths: ListLengths,
  level: number,
  fileParts: FileParts,
): Promise<EncodedLayerDelta> {
  const output = openSync(path, 'wx', 0o600);
  const hash = createHash('sha256');
  const shares = new Float64Array(sources.length);
  const sameHeaders = new Uint8Array(sources.length);
  const differing = new Map<number, number>();
  const seen: EntryComparison = {
    header: (entry, isSame) => void (sameHeaders[entry] = isSame ? 1 : 0),
    contents: (entry, bytes) => void differing.set(entry, (differing.get(entry) ?? 0) + bytes),
  };
  let size = 0;
  const put = (bytes: Buffer) => {
    writeAll(output, bytes, size);
    hash.update(bytes);
    size += bytes.length;
  };
  const putNumber = (value: number) => {
    const writer = new ByteWriter(8);
    writer.uvarint(value);
    put(Buffer.from(writer.view()));
  };
  const onShares = (found: ReadonlyMap<number | undefined, number>) => {
    for (const [entry, bytes] of found) if (entry !== undefined) shares[entry]! += bytes;
  };
  const blockSize = fileParts.parts.length > 0 ? blockLimit : Math.min(blockLimit, 4 * tar.size + 64);
  const general = async (pieces: AsyncIterable<Piece[]>, bytes: number) => {
    putNumber(bytes);
    if (bytes === 0) return;
    for await (const block of encodePieces(pieces, { level, sizer: new BlockSizer(blockSize), onBytes, onShares })) {
      put(block);
    }
  };
  const version = versionOf(members, fileParts.parts);
  try {
    const memory = Math.max(
      layerMemoryNeeded(blockSize, lengths),
      ...fileParts.parts.map(({ tables }) => layerMemoryNeeded(blockSize, lengths, tables)),
    );
    put(encodeLayerDeltaHeader({ oldSize: old.size, newSize: layer.size, blockSize, memory, version }));
    if (version > 1) put(await packMembers(members, level));
    let done = 0;
    let first = 0;
    for (const part of fileParts.parts) {
      const { contentStart, size: fileSize } = sources[part.entry]!.entry;
      const before = sources.slice(first, part.entry + 1);
      await general(entryPieces(tar, old, before, first, done, contentStart, seen), contentStart - done);
      for (const bytes of fileParts.read(part)) put(bytes);
      shares[part.entry]! += part.size;
      done = contentStart + fileSize;
      first = part.entry + 1;
    }
    if (done < tar.size) {
      await general(entryPieces(tar, old, sources.slice(first), first, done, tar.size, seen), tar.size - done);
    }
  } finally {
    closeSync(output);
  }
  const entries = stored.map((each, at) =>
    accountOf(each, { bytes: shares[at]!, sameHeader: sameHeaders[at] === 1, differing: differing.get(at) }),
  );
  return { path, size, digest: `sha256:${hash.digest('hex')}`, entries, version };
}

/** The lowest one that can say it. */
function versionOf(members: readonly RepackedMember[], parts: readonly FilePart[]): LayerDeltaVersion {
  const listing = members.length > 0 ? 2 : 1;
  return parts.reduce<LayerDeltaVersion>((highest, { version }) => (version > highest ? version : highest), listing);
}

function packMembers(members: readonly RepackedMember[], level: number): Promise<Buffer> {
  const streams = streamWriters(memberStreams);
  putMembers(streams.members, members, (at) => streams.members.byte(members[at]!.profile.number));
  return packBlock(memberStreams, streams, level);
}

/** Bytes that no old file gives whole: they decide how hard to compress. */
function novelBytes(layer: StoredLayer, sources: readonly EntrySources[]): number {
  return sources.reduce((left, { entry, content }) => (content.kind === 'same' ? left - entry.size : left), layer.size);
}
