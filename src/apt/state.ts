import type { BigIntStats } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { replaceFile } from '../files/durable-write.ts';

/** How a file looked when its bytes were known: size, time of modification (ns) and, where it counts, of change (ns). */
export type Stamp = string;

const schema = z.object({
  schema: z.literal(1),
  /** Files of the pool whose bytes are those of the index, by path. */
  pool: z.record(z.string(), z.string()),
  /**
   * Packages that were read, by the name of their file: its stamp and sha256; and of those that are listed no more,
   * since newer ones are kept, what they are.
   */
  taken: z.record(
    z.string(),
    z.object({
      stamp: z.string(),
      sha256: z.string(),
      dropped: z.object({ name: z.string(), version: z.string(), architecture: z.string() }).optional(),
    }),
  ),
  /** Since when (ISO 8601) nothing refers to a file that readers of an old index may still ask for. */
  superseded: z.record(z.string(), z.string()),
  /** Fingerprints of the keys of each suite's last signature. */
  signedBy: z.record(z.string(), z.array(z.string())),
});

/**
 * What saves work at the next time. Nothing is true because it stands here: without it, files are read again. It lies
 * in the site under a name that static hosts publish, so that it comes back with the site.
 */
export type SiteState = z.infer<typeof schema>;

export const stateFile = 'imgbuild-apt.json';

export async function readState(site: string): Promise<SiteState> {
  try {
    return schema.parse(JSON.parse(await readFile(join(site, stateFile), 'utf8')));
  } catch {
    return { schema: 1, pool: {}, taken: {}, superseded: {}, signedBy: {} };
  }
}

export async function writeState(site: string, state: SiteState): Promise<void> {
  const path = join(site, stateFile);
  const sorted = Object.entries(state).map(([key, value]) => [
    key,
    typeof value === 'object'
      ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  ]);
  const text = `${JSON.stringify(Object.fromEntries(sorted))}\n`;
  if ((await readFile(path, 'utf8').catch(() => undefined)) === text) return;
  await replaceFile(path, (handle) => handle.writeFile(text));
}

/** For files of the pool: copies that keep the time of modification are the same. */
export function poolStamp({ size, mtimeNs }: Pick<BigIntStats, 'size' | 'mtimeNs'>): Stamp {
  return `${size} ${mtimeNs}`;
}

/** For files that others write: a change that sets the time back is seen too. */
export async function sourceStamp(path: string): Promise<Stamp> {
  const { size, mtimeNs, ctimeNs, ino } = await stat(path, { bigint: true });
  return `${size} ${mtimeNs} ${ctimeNs} ${ino}`;
}
