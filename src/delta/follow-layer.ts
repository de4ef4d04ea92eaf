import { decompressed } from '../image-source/verified.ts';
import type { ByteStream } from '../image-source/image.ts';
import type { AccountedEntry } from './layer-delta/account.ts';
import { entryTracker, type SeenArchive, type SeenEntry } from './track-entries.ts';
import { readTarDiff } from './tar-diff/read.ts';

/**
 * Goes through the tar that a tar-diff or a filesystem layer as it is makes, and charges every compressed byte to what it
 * brings. `what` is for messages.
 */
export async function followLayer(kind: 'delta' | 'whole', bytes: ByteStream, what: string): Promise<SeenArchive> {
  const tracker = entryTracker();
  const { visitor } = tracker;
  let packed = 0;
  const onPacked = (size: number) => {
    // What came before these bytes is known by now.
    tracker.charge(packed);
    packed = size;
  };
  if (kind === 'delta') await readTarDiff(bytes, visitor, what, onPacked);
  else for await (const chunk of decompressed(bytes, what, onPacked)) visitor.data(chunk);
  tracker.charge(packed);
  return tracker.end();
}

/** What became of a file by what of it was sent; `source` is the old file that it takes most from. */
export function changeSeen({ path, size, copied, sources }: SeenEntry): Pick<AccountedEntry, 'kind' | 'source'> {
  const [source] = [...sources].toSorted(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))[0] ?? [];
  if (source === undefined) return { kind: 'new' };
  const isWhole = copied === size && sources.size === 1 && size > 0;
  return { kind: !isWhole ? 'changed' : source === path ? 'same' : 'moved', source };
}

export function accountSeen(entry: SeenEntry): AccountedEntry {
  const change = changeSeen(entry);
  const differing = change.kind === 'changed' ? { differing: entry.literal + entry.differing } : {};
  return { path: entry.path, size: entry.size, bytes: entry.cost, ...change, ...differing };
}
