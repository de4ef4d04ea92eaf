import type { Digest } from '../../oci/digest.ts';
import { endOf } from '../locate-entries.ts';
import type { OldEntry } from '../old-tree.ts';
import type { EntrySources } from './find-sources.ts';
import { placed, type SourceRanges } from './source-ranges.ts';

interface Interval {
  start: number;
  end: number;
}

/** Ranges that are nearer to each other become one: to say where one begins costs more than to keep what is between. */
const nearest = 2048;
/** Ranges that imgbuild makes at most; the format has four times as many. */
const most = 2 ** 16;

/** Bytes of old filesystem layers, gathered piece by piece. */
export class UsedRanges {
  readonly #layers = new Map<Digest, Interval[]>();

  add(layer: Digest, start: number, end: number): void {
    if (start >= end) return;
    const intervals = this.#layers.get(layer);
    if (intervals === undefined) this.#layers.set(layer, [{ start, end }]);
    else {
      const last = intervals.at(-1)!;
      if (start >= last.start && start <= last.end) last.end = Math.max(last.end, end);
      else intervals.push({ start, end });
    }
  }

  /** In the order of `layers`. */
  ranges(layers: readonly Digest[]): SourceRanges {
    for (let gap = nearest; ; gap *= 2) {
      const merged = [...new Set(layers)].flatMap((diffId) => {
        const intervals = this.#layers.get(diffId);
        return intervals === undefined ? [] : [{ diffId, intervals: mergedWithin(intervals, gap) }];
      });
      if (merged.reduce((sum, { intervals }) => sum + intervals.length, 0) > most) continue;
      return placed(
        merged.map(({ diffId, intervals }) => ({
          diffId,
          starts: Float64Array.from(intervals, ({ start }) => start),
          sizes: Float64Array.from(intervals, ({ start, end }) => end - start),
        })),
      );
    }
  }
}

function mergedWithin(intervals: readonly Interval[], gap: number): Interval[] {
  const merged: Interval[] = [];
  for (const { start, end } of intervals.toSorted((a, b) => a.start - b.start)) {
    const last = merged.at(-1);
    if (last !== undefined && start - last.end <= gap) last.end = Math.max(last.end, end);
    else merged.push({ start, end });
  }
  return merged;
}

/** Where the headers of an old entry begin, with the padding before them. */
export function headerStart({ start, before }: OldEntry): number {
  return start - before;
}

/** What a decoder needs: headers, and whole contents with their padding. */
export function addNeeded(used: UsedRanges, sources: readonly EntrySources[]): void {
  for (const { header, content } of sources) {
    if (header !== undefined) used.add(header.layer, headerStart(header), header.contentStart);
    if (content.kind !== 'none') used.add(content.old.layer, content.old.contentStart, endOf(content.old));
  }
}

/** What an encoder looks at: headers, and contents that are not the same. */
export function addCompared(used: UsedRanges, sources: readonly EntrySources[]): void {
  for (const { header, content } of sources) {
    if (header !== undefined) used.add(header.layer, headerStart(header), header.contentStart);
    if (content.kind === 'similar') addContents(used, content.old);
  }
}

export function addContents(used: UsedRanges, { layer, contentStart, size }: OldEntry): void {
  used.add(layer, contentStart, contentStart + size);
}

/** Where bytes of old filesystem layers lie in the old file. */
export class OldPlaces {
  /** For each filesystem layer, where its ranges lie. */
  readonly #places = new Map<Digest, { starts: Float64Array; places: Float64Array }>();

  constructor(ranges: SourceRanges) {
    for (const { diffId, starts, sizes, place } of ranges.layers) {
      const places = new Float64Array(starts.length);
      let next = place;
      for (const [at, size] of sizes.entries()) {
        places[at] = next;
        next += size;
      }
      this.#places.set(diffId, { starts, places });
    }
  }

  /** The caller knows that it is in a range. */
  at(layer: Digest, offset: number): number {
    const { starts, places } = this.#places.get(layer)!;
    let low = 0;
    let high = starts.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (starts[middle]! <= offset) low = middle;
      else high = middle;
    }
    return places[low]! + offset - starts[low]!;
  }
}
