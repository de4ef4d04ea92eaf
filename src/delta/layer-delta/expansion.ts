import { createHash } from 'node:crypto';
import { partOf, type RandomAccess } from '../source-spool.ts';
import { mebibyte } from '../codec/format.ts';
import type { OldEntry } from '../old-tree.ts';
import type { EntrySources } from './find-sources.ts';
import { findMembers, magicSize, mayHaveMembers, type FoundMember } from './find-members.ts';
import { generalSize } from './general-size.ts';
import type { InflatedSpool } from './inflated-spool.ts';
import { memberLimit, type Member, type RepackedMember } from './members.ts';
import type { ProfileFinder } from './profile-finder.ts';
import { SegmentedFile, type Segment } from './segments.ts';

/** A member of an entry's contents: `start` counts from theirs, `place` is where the spool has what it unpacks to. */
export type SpooledMember<Kind extends Member = Member> = Kind & { name: string; place: number };

/** An entry whose members are coded as what they unpack to. */
export interface Expansion {
  members: readonly SpooledMember<RepackedMember>[];
  /** Of the contents that it resembles: what the new members are made from. */
  old: readonly SpooledMember[];
}

/** Larger ones are coded as they are, to keep memory and time within bounds; in bytes. */
const contentsLimit = 128 * mebibyte;
const unpackedMost = 64 * mebibyte;
/** What all members of an old image unpack to, at most: devices have it on their disks meanwhile. */
const oldMost = 1024 * mebibyte;
/** What members of one new file, and of those of an image that are coded so, unpack to at most: they lie on this disk. */
const fileMost = 256 * mebibyte;
const newMost = 1024 * mebibyte;
/** What listing a member costs, about. */
const memberCost = 8;
const trialLevel = 9;

/** Finds the entries that cost less unpacked. */
export class ExpansionPlanner {
  readonly #spool: InflatedSpool;
  readonly #finder: ProfileFinder;
  #oldMembers = 0;
  #oldSize = 0;
  #newSize = 0;

  constructor(spool: InflatedSpool, finder: ProfileFinder) {
    this.#spool = spool;
    this.#finder = finder;
  }

  /** By number of entry. `oldContents` may be asked for what entries resemble. `onEntry` may throw to end the work. */
  async plan(
    tar: RandomAccess,
    sources: readonly EntrySources[],
    oldContents: (entry: OldEntry) => RandomAccess,
    onEntry: () => void,
  ): Promise<Map<number, Expansion>> {
    const expansions = new Map<number, Expansion>();
    let members = 0;
    for (const [at, { entry, content }] of sources.entries()) {
      if (content.kind === 'same' || !entry.plain || entry.size < magicSize || entry.size > contentsLimit) continue;
      const text = partOf(tar, entry.contentStart, entry.size);
      if (!mayHaveMembers(bytesOf(text, magicSize))) continue;
      onEntry();
      const old =
        content.kind === 'similar' && content.old.size <= contentsLimit ? oldContents(content.old) : undefined;
      const before = this.#spool.size;
      const expansion = await this.#expand(text, old, memberLimit - members);
      if (expansion === undefined || !(await isSmaller(expansion, text, old, this.#spool))) {
        this.#spool.cutTo(before);
        continue;
      }
      members += expansion.members.length;
      for (const { unpackedSize } of expansion.members) this.#newSize += unpackedSize;
      this.#oldMembers += expansion.old.length;
      for (const { unpackedSize } of expansion.old) this.#oldSize += unpackedSize;
      expansions.set(at, expansion);
    }
    return expansions;
  }

  async #expand(text: RandomAccess, old: RandomAccess | undefined, most: number): Promise<Expansion | undefined> {
    const known = old === undefined ? new Set<string>() : packedIn(bytesOf(old, old.size));
    const bytes = bytesOf(text, text.size);
    const members: SpooledMember<RepackedMember>[] = [];
    const kept = new Set<string>();
    let size = 0;
    for (const found of findMembers(bytes, unpackedMost)) {
      const packed = bytes.subarray(found.start, found.start + found.size);
      const hash = hashOf(packed);
      // What the old file has packed is copied packed.
      if (known.has(hash)) kept.add(hash);
      else if (members.length < most) {
        size += found.unpacked.length;
        if (size > fileMost || this.#newSize + size > newMost) break;
        const profile = await this.#finder.profileOf(packed, found);
        if (profile !== undefined) members.push({ ...this.#spooled(found), profile });
      }
    }
    if (members.length === 0) return undefined;
    return { members, old: old === undefined ? [] : this.#unpackOthers(bytesOf(old, old.size), kept) };
  }

  /** Members of the old file that the new one has not. */
  #unpackOthers(bytes: Buffer, kept: ReadonlySet<string>): SpooledMember[] {
    const members: SpooledMember[] = [];
    let size = this.#oldSize;
    for (const found of findMembers(bytes, unpackedMost)) {
      if (kept.has(hashOf(bytes.subarray(found.start, found.start + found.size)))) continue;
      size += found.unpacked.length;
      if (size > oldMost || this.#oldMembers + members.length >= memberLimit) break;
      members.push(this.#spooled(found));
    }
    return members;
  }

  #spooled({ name, start, size, unpacked }: FoundMember): SpooledMember {
    return { name, start, size, unpackedSize: unpacked.length, place: this.#spool.add(unpacked) };
  }
}

/** A file with its members unpacked. */
export function expanded(file: RandomAccess, members: readonly SpooledMember[], spool: RandomAccess): SegmentedFile {
  return new SegmentedFile(segmentsOf(file, members, spool));
}

/** Between two members, and around them, is what is not packed: a segment of a member is at every odd place. */
export function segmentsOf(file: RandomAccess, members: readonly SpooledMember[], spool: RandomAccess): Segment[] {
  const segments: Segment[] = [];
  let end = 0;
  for (const { start, size, unpackedSize, place } of members) {
    segments.push({ file, start: end, size: start - end }, { file: spool, start: place, size: unpackedSize });
    end = start + size;
  }
  return [...segments, { file, start: end, size: file.size - end }];
}

async function isSmaller(
  { members, old: oldMembers }: Expansion,
  text: RandomAccess,
  old: RandomAccess | undefined,
  spool: RandomAccess,
): Promise<boolean> {
  const nothing: RandomAccess = { size: 0, read() {} };
  const listed = memberCost * (members.length + oldMembers.length);
  const asItIs = await generalSize(old ?? nothing, text, trialLevel, Infinity);
  if (asItIs <= listed) return false;
  const oldExpanded = old === undefined ? nothing : expanded(old, oldMembers, spool);
  const limit = asItIs - listed;
  return (await generalSize(oldExpanded, expanded(text, members, spool), trialLevel, limit)) < limit;
}

function packedIn(file: Buffer): Set<string> {
  const hashes = new Set<string>();
  for (const { start, size } of findMembers(file, unpackedMost)) hashes.add(hashOf(file.subarray(start, start + size)));
  return hashes;
}

function hashOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('base64');
}

function bytesOf(file: RandomAccess, size: number): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  file.read(0, size, bytes);
  return bytes;
}
