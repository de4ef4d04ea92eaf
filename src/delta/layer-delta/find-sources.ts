import { AlikeFiles, sketchedSize } from '../content-sketch.ts';
import type { LocatedEntry } from '../locate-entries.ts';
import { indexSources, keysOf, resembles, type OldEntry, type SourceIndex } from '../old-tree.ts';

/** What an entry of a new filesystem layer is made from. */
export interface EntrySources {
  entry: LocatedEntry;
  /** Its headers resemble those of this one. */
  header: OldEntry | undefined;
  content: { kind: 'none' } | { kind: 'same' | 'similar'; old: OldEntry };
}

/** Entries of all old filesystem layers, those that higher ones hide too. */
export interface OldEntries {
  all: readonly OldEntry[];
  /** Of the highest filesystem layer that has it. */
  byPath: ReadonlyMap<string, OldEntry>;
  /** The one below with the same path. */
  below: ReadonlyMap<OldEntry, OldEntry>;
  /** The first one. */
  byHash: ReadonlyMap<string, OldEntry>;
  files: SourceIndex<OldEntry>;
  /** New files of some size that are named like none of these, and have other contents. */
  withoutNamesake: readonly LocatedEntry[];
}

/** Smaller contents cost less as they are than to say where they stand, unless that goes on where the last ones ended. */
const smallest = 32;

/** `wanted`: the new entries that sources are looked for. Memory: only files that may be a source are indexed. */
export function indexEntries(all: readonly OldEntry[], wanted: Iterable<LocatedEntry>): OldEntries {
  const byPath = new Map<string, OldEntry>();
  const below = new Map<OldEntry, OldEntry>();
  const byHash = new Map<string, OldEntry>();
  for (const entry of all) {
    const known = byPath.get(entry.path);
    if (known !== undefined) below.set(entry, known);
    byPath.set(entry.path, entry);
    if (entry.size > 0 && !byHash.has(entry.hash)) byHash.set(entry.hash, entry);
  }
  const unequal: LocatedEntry[] = [];
  for (const entry of wanted) if (entry.size > 0 && !byHash.has(entry.hash)) unequal.push(entry);
  const files = indexSources(candidates(all, unequal), unequal);
  const withoutNamesake = unequal.filter(
    (entry) => entry.plain && entry.size >= sketchedSize && files.sourceOf(entry).kind === 'none',
  );
  return { all, byPath, below, byHash, files, withoutNamesake };
}

/** Old files of the same paths as new ones; and those of similar names, for new files that have none of their path. */
function candidates(all: readonly OldEntry[], wanted: readonly LocatedEntry[]): OldEntry[] {
  if (wanted.length === 0) return [];
  const paths = new Map<string, OldEntry | undefined>(wanted.map(({ path }) => [path, undefined]));
  const files = all.filter(({ plain, size }) => plain && size > 0);
  for (const file of files) if (paths.has(file.path)) paths.set(file.path, file);
  const lost = wanted.filter((entry) => !resembles(paths.get(entry.path), entry));
  const keys = new Set(lost.flatMap(({ path }) => keysOf(path)));
  return files.filter(({ path }) => paths.has(path) || (keys.size > 0 && keysOf(path).some((key) => keys.has(key))));
}

const noneAlike = new AlikeFiles<OldEntry>(new Map());

/**
 * For entries in the order of their tar: one that goes on in an old tar where the one before ended is preferred. `alike`: what
 * files without a namesake resemble.
 */
export function findSources(
  entries: readonly LocatedEntry[],
  old: OldEntries,
  alike: AlikeFiles<OldEntry> = noneAlike,
): EntrySources[] {
  let before: OldEntry | undefined;
  return entries.map((entry) => {
    const next = before && old.all[before.number + 1];
    const following = next?.layer === before?.layer ? next : undefined;
    const header = headerOf(entry, following, old);
    const content = contentOf(entry, header, following, old, alike);
    const chosen = header ?? (content.kind === 'none' ? before : content.old);
    before = content.kind === 'none' || chosen?.path === entry.path ? chosen : content.old;
    return { entry, header: chosen, content };
  });
}

/** Of the same path: the one that goes on, else one with the same contents, else the highest. */
function headerOf(entry: LocatedEntry, following: OldEntry | undefined, old: OldEntries): OldEntry | undefined {
  const highest = old.byPath.get(entry.path);
  if (highest === undefined) return undefined;
  if (following?.path === entry.path && following.hash === entry.hash) return following;
  let ofType: OldEntry | undefined;
  for (let named: OldEntry | undefined = highest; named !== undefined; named = old.below.get(named)) {
    if (named.type !== entry.type) continue;
    if (named.hash === entry.hash) return named;
    ofType ??= named;
  }
  return following?.path === entry.path ? following : (ofType ?? highest);
}

function contentOf(
  entry: LocatedEntry,
  header: OldEntry | undefined,
  following: OldEntry | undefined,
  old: OldEntries,
  alike: AlikeFiles<OldEntry>,
): EntrySources['content'] {
  if (entry.size === 0) return { kind: 'none' };
  if (header?.hash === entry.hash) return { kind: 'same', old: header };
  const equal = old.byHash.get(entry.hash);
  if (following?.hash === entry.hash) return { kind: 'same', old: following };
  if (equal !== undefined) return entry.size >= smallest ? { kind: 'same', old: equal } : { kind: 'none' };
  const source = old.files.sourceOf(entry);
  const similar = source.kind === 'none' ? alike.nearest(entry) : source.old;
  return similar === undefined ? { kind: 'none' } : { kind: 'similar', old: similar };
}
