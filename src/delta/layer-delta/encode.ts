import { createHash } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { BlockSizer } from '../codec/block-sizer.ts';
import { packBlock, streamWriters } from '../codec/block.ts';
import { ByteWriter } from '../codec/bytes.ts';
import { blockLimit, memoryLimit, type ElfTables } from '../codec/format.ts';
import { encodePieces, type Piece } from '../codec/general-encoder.ts';
import { levelFor, type EncodedLayer, type StoredLayer } from '../encode-layer.ts';
import { readAhead } from '../read-ahead.ts';
import { readAll, writeAll, type RandomAccess } from '../source-spool.ts';
import { accountOf, type AccountedEntry } from './account.ts';
import { BlockGroup, streamTaker } from './block-group.ts';
import { entryPieces, type EntryComparison } from './entry-pieces.ts';
import { EntriesWithoutFiles, type Stretch } from './entries-without-files.ts';
import { expandLayer, type ExpandedLayer } from './expanded-layer.ts';
import type { Expansion } from './expansion.ts';
import { encodeFileParts, type FilePart, type FileParts } from './file-parts.ts';
import type { EntrySources } from './find-sources.ts';
import { encodeLayerDeltaHeader, layerMemoryNeeded, type LayerDeltaVersion, type ListLengths } from './format.ts';
import { programsWithin, type InnerProgram } from './inner-programs.ts';
import { listStreams, memberStreams, putMembers, type RepackedMember } from './members.ts';
import type { OldBytes } from './old-bytes.ts';
import type { PartThreads } from './part-threads.ts';
import { planHeaders, type HeaderPlan } from './plan-headers.ts';

/** Groups of blocks that are packed while more are gathered. */
const groupsAtOnce = 2;

export interface LayerDeltaWork {
  layer: StoredLayer;
  sources: readonly EntrySources[];
  /** By number of entry; `inflated` holds what their members unpack to. */
  expansions: ReadonlyMap<number, Expansion>;
  inflated: RandomAccess;
  old: OldBytes;
  /** How many ranges the old file consists of, and members of them. */
  lengths: Pick<ListLengths, 'ranges' | 'oldMembers'>;
  /** May code files. */
  threads: PartThreads;
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
  const { path, size } = work.layer;
  const stored = readAhead({
    size,
    read: (position, length, into) => readAll(file, into, length, position),
    place: { path, start: 0 },
  });
  const layer = expandLayer(stored, work.sources, work.expansions, work.inflated);
  const headers = planHeaders(stored, work.sources);
  const lengths = { ...work.lengths, newMembers: layer.members.length, headers: headers.list.length };
  const level = levelFor(novelBytes(work.layer, work.sources));
  try {
    const { old, inflated, threads, onBytes } = work;
    const programs = new Map<number, readonly InnerProgram[]>();
    for (const [entry, expansion] of work.expansions) programs.set(entry, await programsWithin(expansion, inflated));
    const inner = (entry: number) => programs.get(entry);
    const files = { tar: stored, old, inner, inflated, level, lengths, threads, onBytes };
    const parts = await encodeFileParts(work.sources, `${work.path}.parts`, files);
    try {
      return await writeDelta(work, layer, headers, lengths, level, parts);
    } finally {
      parts.close();
    }
  } finally {
    closeSync(file);
  }
}

async function writeDelta(
  { layer, sources: stored, expansions, old, path, onBytes }: LayerDeltaWork,
  { tar, sources, members }: ExpandedLayer,
  headers: HeaderPlan,
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
  const charge = (owners: Shares, times: number) => {
    for (const [entry, bytes] of owners) if (entry !== undefined) shares[entry]! += bytes * times;
  };
  const blockSize = fileParts.parts.length > 0 ? blockLimit : Math.min(blockLimit, 4 * tar.size + 64);
  const group = new BlockGroup(level);
  /** In their order; what is packed now is put when it is done. */
  const groups: AsyncIterable<Buffer>[] = [];
  const putGroups = async (left: number) => {
    while (groups.length > left) for await (const bytes of groups.shift()!) put(bytes);
  };
  const endGroup = async () => {
    groups.push(group.end());
    await putGroups(groupsAtOnce);
  };
  const general = async (pieces: AsyncIterable<Piece[]>, bytes: number) => {
    group.put(numberOf(bytes));
    if (bytes === 0) return;
    let taken: Buffer[] = [];
    let found: Shares = new Map();
    const pack = streamTaker((streams) => (taken = streams));
    const sizer = new BlockSizer(blockSize);
    // Before a block's bytes come its shares: of one byte, to be multiplied.
    const blocks = encodePieces(pieces, { level, pack, sizer, onBytes, onShares: (each) => (found = each) });
    for await (const head of blocks) {
      const own = found;
      await group.block('general', head, taken, (inAll) => charge(own, inAll / head.length));
      if (group.isFull) await endGroup();
    }
  };
  try {
    const { parts } = fileParts;
    const codedApart = stretchesWithin(parts, (entry) => expansions.has(entry));
    const needed = (tables?: ElfTables) => layerMemoryNeeded(blockSize, lengths, tables);
    const alone = Math.max(needed(), ...parts.map(({ tables }) => needed(tables)));
    const small = parts.flatMap(({ tables, unpacked }) => (unpacked === undefined ? [] : needed(tables)));
    const shared = Math.max(alone, ...small.map((bytes) => bytes + blockLimit));
    const isShared = small.length > 1 && shared <= memoryLimit;
    const memory = isShared ? shared : alone;
    const version = isShared || headers.list.length > 0 ? 4 : versionOf(members, parts);
    put(encodeLayerDeltaHeader({ oldSize: old.size, newSize: layer.size, blockSize, memory, version }));
    if (version > 1) put(await packLists(version, members, headers, level));
    let done = 0;
    let first = 0;
    const withoutFiles = new EntriesWithoutFiles(tar, codedApart);
    for (const part of parts) {
      const { contentStart, size: contentSize } = sources[part.entry]!.entry;
      const start = contentStart + part.within;
      if (part.unpacked === undefined || !group.takes(part.size)) await endGroup();
      if (isShared && part.unpacked !== undefined) group.begin();
      const before = sources.slice(first, part.entry + 1);
      await general(entryPieces(tar, old, before, first, done, start, headers, withoutFiles, seen), start - done);
      const onSize = (bytes: number) => void (shares[part.entry]! += bytes);
      if (part.unpacked !== undefined) group.put(part.unpacked.head);
      for (const { kind, head, streams } of fileParts.streams(part)) await group.block(kind, head, streams, onSize);
      if (part.unpacked === undefined) {
        await endGroup();
        await putGroups(0);
        for (const bytes of fileParts.read(part)) put(bytes);
        onSize(part.size);
      }
      done = start + part.made;
      first = done < contentStart + contentSize ? part.entry : part.entry + 1;
    }
    if (done < tar.size) {
      const after = entryPieces(tar, old, sources.slice(first), first, done, tar.size, headers, withoutFiles, seen);
      await general(after, tar.size - done);
    }
    await endGroup();
    await putGroups(0);
    const entries = stored.map((each, at) => {
      const others = codedApart.has(at) ? undefined : differing.get(at);
      return accountOf(each, { bytes: shares[at]!, sameHeader: sameHeaders[at] === 1, differing: others });
    });
    return { path, size, digest: `sha256:${hash.digest('hex')}`, entries, version };
  } finally {
    closeSync(output);
  }
}

/** Where the parts are that lie within an entry. */
function stretchesWithin(parts: readonly FilePart[], isExpanded: (entry: number) => boolean): Map<number, Stretch[]> {
  const stretches = new Map<number, Stretch[]>();
  for (const { entry, within, made } of parts) {
    if (!isExpanded(entry)) continue;
    const others = stretches.get(entry) ?? [];
    stretches.set(entry, [...others, { start: within, size: made }]);
  }
  return stretches;
}

/** The lowest one that can say it, where nothing is shared and no header listed. */
function versionOf(members: readonly RepackedMember[], parts: readonly FilePart[]): LayerDeltaVersion {
  const listing = members.length > 0 ? 2 : 1;
  return parts.reduce<LayerDeltaVersion>((highest, { version }) => (version > highest ? version : highest), listing);
}

type Shares = ReadonlyMap<number | undefined, number>;

function packLists(
  version: LayerDeltaVersion,
  members: readonly RepackedMember[],
  headers: HeaderPlan,
  level: number,
): Promise<Buffer> {
  const streams = streamWriters(listStreams);
  if (members.length > 0 || version < 4) {
    putMembers(streams.members, members, (at) => streams.members.byte(members[at]!.profile.number));
  }
  streams.headers.put(headers.list);
  return packBlock(version < 4 ? memberStreams : listStreams, streams, level);
}

function numberOf(value: number): Buffer {
  const writer = new ByteWriter(8);
  writer.uvarint(value);
  return Buffer.from(writer.view());
}

/** Bytes that no old file gives whole: they decide how hard to compress. */
function novelBytes(layer: StoredLayer, sources: readonly EntrySources[]): number {
  return sources.reduce((left, { entry, content }) => (content.kind === 'same' ? left - entry.size : left), layer.size);
}
