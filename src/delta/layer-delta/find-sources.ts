import type { LocatedEntry } from '../locate-entries.ts';
import { indexSources, keysOf, type OldEntry, type SourceIndex } from '../old-tree.ts';

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
  /** In each list the highest filesystem layer comes last. */
  byPath: ReadonlyMap<string, readonly OldEntry[]>;
  byHash: ReadonlyMap<string, readonly OldEntry[]>;
  files: SourceIndex<OldEntry>;
}

/** Smaller contents cost less as they are than to say where they stand, unless that goes on where the last ones ended. */
const smallest = 32;

/** `wanted`: the new entries that sources are looked for. Memory: by name, only files that may be one are indexed. */
export function indexEntries(all: readonly OldEntry[], wanted: Iterable<LocatedEntry>): OldEntries {
  const byPath = new Map<string, OldEntry[]>();
  const byHash = new Map<string, OldEntry[]>();
  for (const entry of all) {
    listed(byPath, entry.path).push(entry);
    if (entry.size > 0) listed(byHash, entry.hash).push(entry);
  }
  const keys = new Set<string>();
  for (const { path, size, hash } of wanted) {
    if (size > 0 && !byHash.has(hash)) for (const key of keysOf(path)) keys.add(key);
  }
  const mayBe = ({ path, plain, size }: OldEntry) => plain && size > 0 && keysOf(path).some((key) => keys.has(key));
  return { all, byPath, byHash, files: indexSources(keys.size === 0 ? [] : all.filter(mayBe)) };
}

function listed<Value>(map: Map<string, Value[]>, key: string): Value[] {
  let list = map.get(key);
  if (list === undefined) map.set(key, (list = []));
  return list;
}

/** For entries in the order of their tar: one that goes on in an old tar where the one before ended is preferred. */
export function findSources(entries: readonly LocatedEntry[], old: OldEntries): EntrySources[] {
  let before: OldEntry | undefined;
  return entries.map((entry) => {
    const next = before && old.all[before.number + 1];
    const following = next?.layer === before?.layer ? next : undefined;
    const header = headerOf(entry, following, old);
    const content = contentOf(entry, header, following, old);
    const chosen = header ?? (content.kind === 'none' ? before : content.old);
    before = content.kind === 'none' || chosen?.path === entry.path ? chosen : content.old;
    return { entry, header: chosen, content };
  });
}

/** Of the same path: the one that goes on, else one with the same contents, else the highest. */
function headerOf(entry: LocatedEntry, following: OldEntry | undefined, old: OldEntries): OldEntry | undefined {
  const named = old.byPath.get(entry.path);
  if (named === undefined) return undefined;
  if (following?.path === entry.path && following.hash === entry.hash) return following;
  const equal = named.findLast(({ hash, type }) => hash === entry.hash && type === entry.type);
  if (equal !== undefined) return equal;
  return following?.path === entry.path
    ? following
    : (named.findLast(({ type }) => type === entry.type) ?? named.at(-1));
}

function contentOf(
  entry: LocatedEntry,
  header: OldEntry | undefined,
  following: OldEntry | undefined,
  old: OldEntries,
): EntrySources['content'] {
  if (entry.size === 0) return { kind: 'none' };
  if (header?.hash === entry.hash) return { kind: 'same', old: header };
  const equal = old.byHash.get(entry.hash);
  if (following?.hash === entry.hash) return { kind: 'same', old: following };
  if (equal !== undefined) return entry.size >= smallest ? { kind: 'same', old: equal[0]! } : { kind: 'none' };
  const source = old.files.sourceOf(entry);
  return source.kind === 'none' ? source : { kind: 'similar', old: source.old };
}
