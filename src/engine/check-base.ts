import { Failure } from '../failure.ts';
import type { Digest } from '../oci/digest.ts';
import { beginsWith } from './image-config.ts';

/** The rule on which every saved layer rests: a child begins with its parent's filesystem layers, unchanged. */
export function checkBase(layer: string, diffIds: readonly Digest[], base: readonly Digest[]): void {
  if (beginsWith(diffIds, base)) return;
  const at = base.findIndex((diffId, index) => diffIds[index] !== diffId);
  throw new Failure({
    doing: `building ${layer}`,
    because: `filesystem layer ${at + 1} of the result is ${diffIds[at] ?? 'missing'}, that of its parent is ${base[at]}`,
    fix: 'update the builder; this one changes the filesystem layers that it builds on',
  });
}
