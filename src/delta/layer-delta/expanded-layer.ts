import type { RandomAccess } from '../source-spool.ts';
import type { LocatedEntry } from '../locate-entries.ts';
import { segmentsOf, type Expansion, type SpooledMember } from './expansion.ts';
import type { EntrySources } from './find-sources.ts';
import type { RepackedMember } from './members.ts';
import { SegmentedFile } from './segments.ts';

/** What an entry is made from, and which members of that are unpacked. */
export interface ExpandedSources extends EntrySources {
  oldMembers?: readonly SpooledMember[];
}

/** A new filesystem layer with the members of some entries unpacked. */
export interface ExpandedLayer {
  tar: RandomAccess;
  /** Entries where they lie in it. */
  sources: readonly ExpandedSources[];
  /** In the tar as it is to be. */
  members: RepackedMember[];
}

export function expandLayer(
  tar: RandomAccess,
  sources: readonly EntrySources[],
  expansions: ReadonlyMap<number, Expansion>,
  spool: RandomAccess,
): ExpandedLayer {
  // Nothing is copied where there is nothing to say: there may be hundreds of thousands of entries.
  if (expansions.size === 0) return { tar, sources, members: [] };
  const members: SpooledMember<RepackedMember>[] = [];
  let grown = 0;
  const moved = sources.map((each, at): ExpandedSources => {
    const { entry } = each;
    const { start, contentStart, size } = entry;
    const expansion = expansions.get(at);
    const before = grown;
    for (const member of expansion?.members ?? []) {
      members.push({ ...member, start: contentStart + member.start });
      grown += member.unpackedSize - member.size;
    }
    const place: LocatedEntry = {
      ...entry,
      start: start + before,
      contentStart: contentStart + before,
      size: size + grown - before,
    };
    return { ...each, entry: place, oldMembers: expansion?.old ?? [] };
  });
  return { tar: new SegmentedFile(segmentsOf(tar, members, spool)), sources: moved, members };
}
