import { noId } from './blob-id.ts';
import type { HashedEntry } from './context.ts';
import type { ContextNode, ContextTree } from './context-tree.ts';
import type { Selected } from './selection.ts';
import type { WorkTree } from './work-tree.ts';

/**
 * What was selected, hashed, in the order of paths (UTF-16 code units), each path once. It can be gone through again and
 * again: an entry that git knows is made anew each time, so that a repository of a million files is not a million
 * objects.
 */
export async function selectedFiles({ tree }: ContextTree, selected: Selected): Promise<Iterable<HashedEntry>> {
  const entries: HashedEntry[] = [];
  const unread = new Set<HashedEntry>();
  const modes = new Map<HashedEntry, string>();
  for (const { path, origin, node, modeFrom } of selected.nodes) {
    const known = node.kind === 'folder' ? { mode: '040000' as const, hash: noId } : tree.known(node);
    const entry: HashedEntry = { path, origin, mode: known?.mode ?? '100644', hash: known?.hash ?? '' };
    entries.push(entry);
    if (!known) unread.add(entry);
    if (modeFrom !== undefined) modes.set(entry, modeFrom);
  }
  const slots = slotsInOrder(tree, selected.folders);
  if (!slots) for (const folder of selected.folders) entries.push(...filesBelow(tree, folder));
  const sorted = sortedOnce(entries);
  if (unread.size > 0) {
    const contents = await tree.read(Array.from(unread, (entry) => entry.origin));
    for (const entry of sorted) if (unread.has(entry)) Object.assign(entry, contents.get(entry.origin));
  }
  if (modes.size > 0) {
    const contents = await tree.read(modes.values());
    for (const [entry, origin] of modes) entry.mode = contents.get(origin)!.mode;
  }
  if (!slots) return sorted;
  const files = { [Symbol.iterator]: () => filesOf(tree, slots) };
  return sorted.length === 0 ? files : { [Symbol.iterator]: () => merged(sorted, files) };
}

/** Slots of git's listing whose origins begin with the same folder, which their paths lack. */
interface SlotsInOrder {
  ranges: { first: number; end: number }[];
  above: string;
}

/**
 * All files below plain folders as slots that are in the order of their paths already; undefined where git's order may
 * be another, or copy entries brought some folders to other paths.
 */
function slotsInOrder(tree: WorkTree, folders: readonly ContextNode[]): SlotsInOrder | undefined {
  if (folders.length === 0) return { ranges: [], above: '' };
  const [above, ...others] = new Set(folders.map(folderAbove));
  if (above === undefined || others.length > 0 || !tree.inPathOrder) return undefined;
  const ranges: SlotsInOrder['ranges'] = [];
  for (const { first, end } of folders.map(({ node }) => node).toSorted((a, b) => a.first - b.first)) {
    const last = ranges.at(-1);
    // A folder may have been selected by two patterns, or within another one.
    if (last && first <= last.end) last.end = Math.max(last.end, end);
    else ranges.push({ first, end });
  }
  return { ranges, above };
}

/** What stands before a folder's path in its origin; undefined where its path is no end of its origin. */
function folderAbove({ path, origin }: ContextNode): string | undefined {
  if (path === '') return origin === '' ? '' : `${origin}/`;
  const above = origin.slice(0, origin.length - path.length);
  return origin.endsWith(path) && (above === '' || above.endsWith('/')) ? above : undefined;
}

function* filesOf(tree: WorkTree, { ranges, above }: SlotsInOrder): Generator<HashedEntry> {
  for (const { first, end } of ranges) {
    for (let slot = first; slot < end; slot++) {
      yield tree.slot(slot, above.length);
    }
  }
}

function* filesBelow(tree: WorkTree, { path, origin, node }: ContextNode): Generator<HashedEntry> {
  const prefix = origin === '' ? 0 : origin.length + 1;
  const folder = path === '' ? '' : `${path}/`;
  for (let slot = node.first; slot < node.end; slot++) {
    const file = tree.slot(slot, prefix);
    yield { ...file, path: folder + file.path };
  }
}

/** Two sequences in the order of their paths as one, what is in both once. */
function* merged(entries: readonly HashedEntry[], files: Iterable<HashedEntry>): Generator<HashedEntry> {
  let at = 0;
  for (const file of files) {
    while (at < entries.length && entries[at]!.path < file.path) yield entries[at++]!;
    if (entries[at]?.path === file.path) at++;
    yield file;
  }
  for (; at < entries.length; at++) yield entries[at]!;
}

/** In the order of their paths, each path once. */
function sortedOnce(entries: HashedEntry[]): HashedEntry[] {
  entries.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  return entries.filter((entry, index) => entry.path !== entries[index - 1]?.path);
}

/** The origins of entries that are in one of two selections only, or in both with another mode or content; sorted. */
export function changedOrigins(before: Iterable<HashedEntry>, now: Iterable<HashedEntry>): Set<string> {
  const changed = new Set<string>();
  const rest = now[Symbol.iterator]();
  let other = rest.next();
  for (const entry of before) {
    for (; !other.done && other.value.path < entry.path; other = rest.next()) changed.add(other.value.origin);
    if (other.done || other.value.path !== entry.path) {
      changed.add(entry.origin);
      continue;
    }
    if (other.value.hash !== entry.hash || other.value.mode !== entry.mode) changed.add(entry.origin);
    other = rest.next();
  }
  for (; !other.done; other = rest.next()) changed.add(other.value.origin);
  return changed;
}
