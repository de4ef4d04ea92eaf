import type { OldEntry } from '../old-tree.ts';
import type { Member } from './members.ts';
import { withMembers, type SourceRanges } from './source-ranges.ts';
import type { OldPlaces } from './used-ranges.ts';

/** Members of old entries that new ones are made from, each once. */
export class OldMembers {
  readonly #members = new Map<string, { entry: OldEntry; member: Member }>();
  readonly #places = new Map<string, number>();

  /** `start` of the members counts from the contents. */
  add(entry: OldEntry, members: readonly Member[]): void {
    for (const member of members) this.#members.set(keyOf(entry, member), { entry, member });
  }

  /** Gives each its place in the old file, behind the ranges. */
  place(ranges: SourceRanges, places: OldPlaces): SourceRanges {
    const members = [...this.#members].map(([key, { entry, member }]) => ({
      key,
      member: { ...member, start: places.at(entry.layer, entry.contentStart) + member.start },
    }));
    members.sort((a, b) => a.member.start - b.member.start);
    let place = ranges.rangesSize;
    for (const { key, member } of members) {
      this.#places.set(key, place);
      place += member.unpackedSize;
    }
    return withMembers(
      ranges,
      members.map(({ member: { start, size, unpackedSize } }) => ({ start, size, unpackedSize })),
    );
  }

  /** Where what a member unpacks to lies in the old file. */
  placeOf(entry: OldEntry, member: Member): number {
    return this.#places.get(keyOf(entry, member))!;
  }
}

function keyOf({ layer, contentStart }: OldEntry, { start }: Member): string {
  return `${layer} ${contentStart + start}`;
}
