import type { ChannelDelta } from './channel-json.ts';

/** How a device gets from the release that it has to another: bundles in the order to apply them. */
export interface Way {
  from: string;
  platform: string;
  deltas: ChannelDelta[];
  /** Of all of them, in bytes. */
  size: number;
}

/**
 * The cheapest way, in bytes, from every release from which there is one, on each platform; the cheapest first. Sizes are
 * never negative: Dijkstra's algorithm from the target backwards.
 */
export function waysTo(version: string, deltas: readonly ChannelDelta[]): Way[] {
  const platforms = [...new Set(deltas.map(({ platform }) => platform))].toSorted();
  return platforms.flatMap((platform) => {
    const edges = deltas.filter((delta) => delta.platform === platform);
    const best = new Map<string, Way>([[version, { from: version, platform, deltas: [], size: 0 }]]);
    const settled = new Set<string>();
    for (;;) {
      const [next] = [...best.values()].filter(({ from }) => !settled.has(from)).toSorted((a, b) => a.size - b.size);
      if (next === undefined) break;
      settled.add(next.from);
      for (const delta of edges) {
        if (delta.to !== next.from) continue;
        const size = next.size + delta.size;
        if (size < (best.get(delta.from)?.size ?? Infinity))
          best.set(delta.from, { from: delta.from, platform, deltas: [delta, ...next.deltas], size });
      }
    }
    best.delete(version);
    return [...best.values()].toSorted((a, b) => a.size - b.size);
  });
}
