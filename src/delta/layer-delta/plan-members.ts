import { closeSync, openSync } from 'node:fs';
import type { StoredLayer } from '../encode-layer.ts';
import { readAll } from '../source-spool.ts';
import { ExpansionPlanner, type Expansion } from './expansion.ts';
import type { EntrySources } from './find-sources.ts';
import type { InflatedSpool } from './inflated-spool.ts';
import type { OldBytes } from './old-bytes.ts';
import { OldMembers } from './old-members.ts';
import { ProfileFinder } from './profile-finder.ts';

/** What is unpacked of the filesystem layers of one image. */
export interface PlannedMembers {
  /** For each filesystem layer, by number of entry. */
  expansions: Map<number, Expansion>[];
  old: OldMembers;
}

/**
 * Finds the members that cost less unpacked, proves that packing makes them again, and puts what they unpack to into `spool`.
 * `onEntry` may throw to end the work.
 */
export async function planMembers(
  layers: readonly { stored: StoredLayer; sources: readonly EntrySources[] }[],
  old: OldBytes,
  spool: InflatedSpool,
  onEntry: () => void,
): Promise<PlannedMembers> {
  const planner = new ExpansionPlanner(spool, new ProfileFinder());
  const planned: PlannedMembers = { expansions: [], old: new OldMembers() };
  for (const { stored, sources } of layers) {
    const file = openSync(stored.path, 'r');
    try {
      const tar = {
        size: stored.size,
        read: (position: number, length: number, into: Uint8Array) => readAll(file, into, length, position),
      };
      const expansions = await planner.plan(tar, sources, (entry) => old.contents(entry), onEntry);
      planned.expansions.push(expansions);
      for (const [at, expansion] of expansions) {
        const { content } = sources[at]!;
        if (content.kind === 'similar') planned.old.add(content.old, expansion.old);
      }
    } finally {
      closeSync(file);
    }
  }
  return planned;
}
