import type { PlatformName } from '../oci/platform.ts';

interface Node {
  name: string;
  platform: PlatformName;
  parents: readonly string[];
  action: 'reuse' | 'build';
}

/**
 * Which layers can be built side by side: wave 0 needs only what is saved, wave n something of wave n-1.
 * `layers` has parents before children. Reused layers are in no wave.
 */
export function wavesOf<T extends Node>(layers: readonly T[]): T[][] {
  const waveOf = new Map<string, number>();
  const waves: T[][] = [];
  for (const layer of layers) {
    if (layer.action === 'reuse') continue;
    const before = layer.parents.map((parent) => waveOf.get(`${parent} ${layer.platform}`) ?? -1);
    const wave = Math.max(-1, ...before) + 1;
    waveOf.set(`${layer.name} ${layer.platform}`, wave);
    (waves[wave] ??= []).push(layer);
  }
  return waves;
}
