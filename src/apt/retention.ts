import { comparePackages, type IndexedPackage } from './package.ts';

/** Parts the newest `keep` versions of every package and architecture from the older ones. */
export function retain(
  packages: readonly IndexedPackage[],
  keep: number | undefined,
): { kept: IndexedPackage[]; dropped: IndexedPackage[] } {
  if (keep === undefined) return { kept: [...packages], dropped: [] };
  const kept: IndexedPackage[] = [];
  const dropped: IndexedPackage[] = [];
  const counts = new Map<string, number>();
  for (const each of packages.toSorted(comparePackages)) {
    const key = `${each.name} ${each.architecture}`;
    const count = (counts.get(key) ?? 0) + 1;
    counts.set(key, count);
    (count > keep ? dropped : kept).push(each);
  }
  return { kept, dropped };
}
