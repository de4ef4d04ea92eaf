import type { EntrySources } from './find-sources.ts';

/**
 * What became of an entry: nothing at all; only its headers differ (times, owners); its contents are those of another path;
 * they resemble old ones; they are new.
 */
export type EntryChange = 'same' | 'header-only' | 'moved' | 'changed' | 'new';

/** What an entry of a new filesystem layer costs. */
export interface AccountedEntry {
  path: string;
  kind: EntryChange;
  /** Of its contents as stored, in bytes. */
  size: number;
  /** Its bytes of the delta: its share of the blocks that it is in, headers included. Not whole where a block is shared. */
  bytes: number;
  /** Path of the old entry that its contents come from, or its headers where it has none. */
  source?: string;
  /** Of contents that resemble those of `source`, unless they are coded as a program: bytes that are others. */
  differing?: number;
}

/** What its coding tells of an entry. */
interface Coded {
  bytes: number;
  /** Its headers are byte for byte those of the entry that they were compared with. */
  sameHeader: boolean;
  differing: number | undefined;
}

export function accountOf(
  { entry, header, content }: EntrySources,
  { bytes, sameHeader, differing }: Coded,
): AccountedEntry {
  const { path, size } = entry;
  const counted = { path, size, bytes };
  if (content.kind === 'similar') {
    const others = differing === undefined ? {} : { differing };
    return { ...counted, kind: 'changed', source: content.old.path, ...others };
  }
  const source = content.kind === 'same' ? content.old : size === 0 && header?.path === path ? header : undefined;
  if (source === undefined) return { ...counted, kind: 'new' };
  if (source.path !== path) return { ...counted, kind: 'moved', source: source.path };
  return { ...counted, kind: sameHeader && header?.path === path ? 'same' : 'header-only', source: path };
}
