import type { Digest } from '../../oci/digest.ts';
import { partOf, type RandomAccess } from '../source-spool.ts';
import type { OldEntry } from '../old-tree.ts';
import { segmentsOf, type SpooledMember } from './expansion.ts';
import type { OldMembers } from './old-members.ts';
import { SegmentedFile } from './segments.ts';
import { headerStart, type OldPlaces } from './used-ranges.ts';

/** Contents of an old entry, some members of which may be unpacked. */
export interface OldContents {
  bytes: RandomAccess;
  /** Where a stretch of them lies in the old file: in several pieces, where members are; `done` bytes of it come before. */
  places(position: number, size: number): Iterable<{ place: number; done: number; size: number }>;
}

/** Bytes of old filesystem layers, by where they stand in their tars. */
export interface OldTars {
  /** The caller knows that they are at hand. */
  bytes(layer: Digest, start: number, size: number): RandomAccess;
}

/** The old filesystem layers as an encoder sees them: it has the bytes that it compares, and knows the place of all. */
export class OldBytes {
  /** In the old file that the decoder has. */
  readonly places: OldPlaces;
  readonly #tars: OldTars;
  readonly #members: { placed: OldMembers; unpacked: RandomAccess } | undefined;
  /** Of the old file. */
  readonly size: number;

  /** `tars`: what is compared. `members`: where those are that are unpacked. */
  constructor(
    places: OldPlaces,
    tars: OldTars,
    size: number,
    members?: { placed: OldMembers; unpacked: RandomAccess },
  ) {
    this.places = places;
    this.#tars = tars;
    this.size = size;
    this.#members = members;
  }

  /** `members`: those of its contents that are unpacked. */
  expanded(entry: OldEntry, members: readonly SpooledMember[]): OldContents {
    const bytes = this.contents(entry);
    const start = this.places.at(entry.layer, entry.contentStart);
    if (members.length === 0 || this.#members === undefined) {
      return { bytes, places: (position, size) => [{ place: start + position, done: 0, size }] };
    }
    const { placed, unpacked } = this.#members;
    const segments = segmentsOf(bytes, members, unpacked);
    const starts = segments.map((segment, at) =>
      at % 2 === 0 ? start + segment.start : placed.placeOf(entry, members[(at - 1) / 2]!),
    );
    const file = new SegmentedFile(segments);
    return {
      bytes: file,
      *places(position, length) {
        for (const { segment, offset, done, size } of file.parts(position, length)) {
          yield { place: starts[segment]! + offset, done, size };
        }
      },
    };
  }

  /** A part of what a member of an entry unpacks to, and its place in the old file. */
  withinMember(
    entry: OldEntry,
    { member, start, size }: { member: SpooledMember; start: number; size: number },
  ): { file: RandomAccess; position: number } {
    const { placed, unpacked } = this.#members!;
    return { file: partOf(unpacked, member.place + start, size), position: placed.placeOf(entry, member) + start };
  }

  contents(entry: OldEntry): RandomAccess {
    return this.#tars.bytes(entry.layer, entry.contentStart, entry.size);
  }

  /** The headers of an entry with the padding before them, and their place in the old file. */
  headers(entry: OldEntry): { bytes: Buffer; position: number } {
    const start = headerStart(entry);
    const bytes = Buffer.allocUnsafe(entry.contentStart - start);
    this.#tars.bytes(entry.layer, start, bytes.length).read(0, bytes.length, bytes);
    return { bytes, position: this.places.at(entry.layer, start) };
  }
}
