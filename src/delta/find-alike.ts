import { closeSync, openSync } from 'node:fs';
import type { SourceLayer } from '../image-source/image.ts';
import { AlikeFiles, ContentSketcher, sketchedSize, sketchOf, type ContentSketch } from './content-sketch.ts';
import type { StoredLayer } from './encode-layer.ts';
import type { KeptTars } from './kept-tars.ts';
import { locateEntries, pathParts, type LocatedEntry } from './locate-entries.ts';
import type { OldEntry } from './old-tree.ts';
import { partOf, readAll } from './source-spool.ts';

/**
 * What new files resemble whose names say nothing. Old files are looked at only where there are such; they come from the disk, and
 * those of a filesystem layer that was not kept from its source. Memory: of the new files' sketches.
 */
export async function findAlike(
  withoutNamesake: readonly LocatedEntry[],
  stores: readonly StoredLayer[],
  entries: readonly OldEntry[],
  kept: KeptTars,
  onBytes: (bytes: number) => void,
): Promise<AlikeFiles<OldEntry>> {
  const alike = new AlikeFiles<OldEntry>(sketchNew(new Set(withoutNamesake), stores));
  if (!alike.isWanted) return alike;
  const seen = new Set<string>();
  let first = 0;
  for (const layer of kept.layers) {
    if (seen.has(layer.diffId)) continue;
    seen.add(layer.diffId);
    let end = first;
    while (entries[end]?.layer === layer.diffId) end++;
    // Where a filesystem layer is read again, what leaves the tree is not seen.
    const sketched = entries
      .slice(first, end)
      .filter(({ plain, size, path }) => plain && size >= sketchedSize && pathParts(path) !== undefined);
    first = end;
    const file = kept.file(layer.diffId);
    const known = file === undefined && sketched.length > 0 ? await sketchesIn(layer, onBytes) : undefined;
    for (const entry of sketched) {
      onBytes(0);
      const { contentStart, size } = entry;
      alike.add(entry, file === undefined ? known?.get(contentStart) : sketchOf(partOf(file, contentStart, size)));
    }
  }
  return alike;
}

function sketchNew(
  withoutNamesake: ReadonlySet<LocatedEntry>,
  stores: readonly StoredLayer[],
): Map<LocatedEntry, ContentSketch> {
  const sketches = new Map<LocatedEntry, ContentSketch>();
  for (const { path, size, entries } of withoutNamesake.size === 0 ? [] : stores) {
    const file = openSync(path, 'r');
    try {
      const tar = {
        size,
        read: (position: number, length: number, into: Uint8Array) => readAll(file, into, length, position),
      };
      for (const entry of entries) {
        const sketch = withoutNamesake.has(entry) ? sketchOf(partOf(tar, entry.contentStart, entry.size)) : undefined;
        if (sketch !== undefined) sketches.set(entry, sketch);
      }
    } finally {
      closeSync(file);
    }
  }
  return sketches;
}

/** By where the contents begin. */
async function sketchesIn(
  layer: SourceLayer,
  onBytes: (bytes: number) => void,
): Promise<Map<number, ContentSketch | undefined>> {
  const sketches = new Map<number, ContentSketch | undefined>();
  let sketcher: ContentSketcher | undefined;
  const tap = (_: string, isFile: boolean, size: number) => {
    sketcher = isFile && size >= sketchedSize ? new ContentSketcher() : undefined;
    return (chunk: Uint8Array) => {
      onBytes(chunk.length);
      sketcher?.write(chunk);
    };
  };
  const onEntry = ({ contentStart }: LocatedEntry) => {
    if (sketcher !== undefined) sketches.set(contentStart, sketcher.end());
    sketcher = undefined;
  };
  await locateEntries(layer.tar(), onEntry, tap);
  return sketches;
}
