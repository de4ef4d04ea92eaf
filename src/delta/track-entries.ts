import { blockSize, decodeHeader, isZeroBlock, padding } from '../tar/header.ts';
import { decodeName } from '../tar/name.ts';
import { applyPax, decodePax, type PaxRecords } from '../tar/pax.ts';
import { pathParts } from './locate-entries.ts';
import type { OperationVisitor } from './tar-diff/read.ts';

/** A regular file that operations put out, and what it was made from. Sizes in bytes. */
export interface SeenEntry {
  path: string;
  size: number;
  copied: number;
  added: number;
  /** Of `added`, those that differ from the old. */
  differing: number;
  literal: number;
  /** Compressed bytes that were charged for it; not whole where several files share a block. */
  cost: number;
  /** Bytes taken from each old file. */
  sources: Map<string, number>;
}

export interface SeenArchive {
  entries: SeenEntry[];
  /** Of the whole tar. */
  size: number;
  /** All bytes that are sent as they are: headers, padding, contents. */
  literal: number;
}

export interface EntryTracker {
  visitor: OperationVisitor;
  /** Compressed bytes, for what came since the last charge: shared out by what of it costs anything. */
  charge(bytes: number): void;
  end(): SeenArchive;
}

/** Headers are much alike, and shrink more than contents do. */
const headerSaving = 3;
/** What an operation that sends nothing else weighs, in bytes: its head and position. */
const operationWeight = 4;

const isWhiteout = (path: string) => path.slice(path.lastIndexOf('/') + 1).startsWith('.wh.');
const extensionLimit = 1024 * 1024;
const withContents = new Set<string>(['file', 'contiguous-file', 'gnu-sparse', 'unknown']);

/**
 * Follows the tar that operations put out without having the bytes that come from old files: headers are always sent
 * as they are. Where one is not, the archive can be followed no further, and what comes then belongs to no file.
 */
export function entryTracker(): EntryTracker {
  const archive: SeenArchive = { entries: [], size: 0, literal: 0 };
  let source = '';
  let current: SeenEntry | undefined;
  /** Bytes of contents and padding that are still to come. */
  let contentsLeft = 0;
  let paddingLeft = 0;
  let pending: Buffer = Buffer.alloc(0);
  /** An extension header whose contents are being gathered. */
  let extension: { type: string; size: number } | undefined;
  let pax: PaxRecords = new Map();
  let longName: string | undefined;
  let lost = false;
  /** Since the last charge; undefined is what belongs to no file. */
  let weights = new Map<SeenEntry | undefined, number>();
  /** Charged before anything came of it. */
  let uncharged = 0;
  const weigh = (entry: SeenEntry | undefined, weight: number) =>
    void weights.set(entry, (weights.get(entry) ?? 0) + weight);

  const onHeader = (block: Buffer) => {
    if (isZeroBlock(block)) {
      lost = true;
      return;
    }
    const plain = decodeHeader(block);
    if (['pax', 'pax-global', 'gnu-long-name', 'gnu-long-link'].includes(plain.type)) {
      if (plain.size > extensionLimit) lost = true;
      extension = { type: plain.type, size: plain.size + padding(plain.size) };
      return;
    }
    const header = applyPax(plain, pax);
    if (longName !== undefined && !pax.has('path')) header.name = longName;
    pax = new Map();
    longName = undefined;
    const size = withContents.has(header.type) ? header.size : 0;
    contentsLeft = size;
    paddingLeft = padding(size);
    const path = pathParts(header.name)?.join('/');
    current =
      path !== undefined && !isWhiteout(path) && (header.type === 'file' || header.type === 'contiguous-file')
        ? { path, size, copied: 0, added: 0, differing: 0, literal: 0, cost: 0, sources: new Map() }
        : undefined;
    if (current) archive.entries.push(current);
  };
  const onExtension = (bytes: Buffer) => {
    if (extension!.type === 'pax') pax = decodePax(bytes);
    if (extension!.type === 'gnu-long-name') longName = decodeName(bytes.subarray(0, bytes.indexOf(0)));
    extension = undefined;
  };
  /** Bytes that are known: they may be headers. */
  const onBytes = (bytes: Buffer, kind: 'literal' | 'added') => {
    archive.size += bytes.length;
    if (kind === 'literal') archive.literal += bytes.length;
    for (let at = 0; at < bytes.length && !lost;) {
      if (contentsLeft > 0) {
        const taken = Math.min(contentsLeft, bytes.length - at);
        const differing = kind === 'added' ? countDiffering(bytes, at, at + taken) : 0;
        weigh(current, kind === 'added' ? differing : taken);
        if (current) {
          current[kind] += taken;
          current.differing += differing;
        }
        if (current && kind === 'added') current.sources.set(source, (current.sources.get(source) ?? 0) + taken);
        contentsLeft -= taken;
        at += taken;
      } else if (paddingLeft > 0) {
        const taken = Math.min(paddingLeft, bytes.length - at);
        weigh(undefined, 1);
        paddingLeft -= taken;
        at += taken;
      } else {
        const wanted = extension?.size ?? blockSize;
        const piece = bytes.subarray(at, at + wanted - pending.length);
        at += piece.length;
        weigh(undefined, countDiffering(piece, 0, piece.length) / headerSaving);
        pending = Buffer.concat([pending, piece]);
        if (pending.length < wanted) continue;
        const whole = pending;
        pending = Buffer.alloc(0);
        try {
          if (extension) onExtension(whole);
          else onHeader(whole);
        } catch {
          lost = true;
        }
      }
    }
  };
  return {
    visitor: {
      data: (bytes) => onBytes(bytes, 'literal'),
      addData: (bytes) => onBytes(bytes, 'added'),
      open: (path) => void (source = path),
      seek: () => {},
      copy(size) {
        archive.size += size;
        const taken = Math.min(size, contentsLeft);
        weigh(lost ? undefined : current, operationWeight);
        if (!lost && current) {
          current.copied += taken;
          current.sources.set(source, (current.sources.get(source) ?? 0) + taken);
        }
        contentsLeft -= taken;
        const over = size - taken;
        const inPadding = Math.min(over, paddingLeft);
        paddingLeft -= inPadding;
        if (over > inPadding) lost = true;
      },
    },
    charge(bytes) {
      uncharged += bytes;
      let total = 0;
      for (const weight of weights.values()) total += weight;
      if (total === 0) return;
      for (const [entry, weight] of weights) if (entry) entry.cost += (uncharged * weight) / total;
      weights = new Map();
      uncharged = 0;
    },
    end: () => archive,
  };
}

function countDiffering(bytes: Buffer, from: number, to: number): number {
  let count = 0;
  for (let at = from; at < to; at++) if (bytes[at] !== 0) count++;
  return count;
}
