import { blockSize, decodeHeader, isZeroBlock, padding } from '../tar/header.ts';
import { decodeName } from '../tar/name.ts';
import { applyPax, decodePax, type PaxRecords } from '../tar/pax.ts';
import { pathParts } from './old-tree.ts';
import type { OperationVisitor } from './tar-diff/read.ts';

/** A regular file that operations put out, and what it was made from. Sizes in bytes. */
export interface SeenEntry {
  path: string;
  size: number;
  copied: number;
  added: number;
  literal: number;
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

const isWhiteout = (path: string) => path.slice(path.lastIndexOf('/') + 1).startsWith('.wh.');
const extensionLimit = 1024 * 1024;
const withContents = new Set<string>(['file', 'contiguous-file', 'gnu-sparse', 'unknown']);

/**
 * Follows the tar that operations put out without having the bytes that come from old files: headers are always sent
 * as they are. Where one is not, the archive can be followed no further, and what comes then belongs to no file.
 */
export function entryTracker(): { visitor: OperationVisitor; end(): SeenArchive } {
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
        ? { path, size, copied: 0, added: 0, literal: 0, sources: new Map() }
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
        if (current) current[kind] += taken;
        if (current && kind === 'added') current.sources.set(source, (current.sources.get(source) ?? 0) + taken);
        contentsLeft -= taken;
        at += taken;
      } else if (paddingLeft > 0) {
        const taken = Math.min(paddingLeft, bytes.length - at);
        paddingLeft -= taken;
        at += taken;
      } else {
        const wanted = extension?.size ?? blockSize;
        const piece = bytes.subarray(at, at + wanted - pending.length);
        at += piece.length;
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
    end: () => archive,
  };
}
