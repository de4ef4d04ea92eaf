import { inOrder, type PackageEntry } from './entry.ts';

/**
 * Shares contents out over packages of at most `limit` bytes of files each, in the order of their paths: what lies
 * together stays together. A file is never cut: one that is larger has a package of its own. What is no file is in the
 * first, and a folder that has a mode or an owner also in each that has files below it, since whichever is unpacked
 * first makes it.
 */
export function splitContents(contents: readonly PackageEntry[], limit: number): PackageEntry[][] {
  const shares: PackageEntry[][] = [[]];
  let bytes = 0;
  for (const entry of inOrder(contents)) {
    if (entry.type !== 'file') continue;
    if (bytes > 0 && bytes + entry.size > limit) {
      shares.push([]);
      bytes = 0;
    }
    shares.at(-1)!.push(entry);
    bytes += entry.size;
  }
  const folders = new Map(
    contents.flatMap((entry) => (entry.type === 'directory' ? [[entry.path, entry] as const] : [])),
  );
  const [first, ...rest] = shares as [PackageEntry[], ...PackageEntry[][]];
  return [
    [...contents.filter(({ type }) => type !== 'file'), ...first],
    ...rest.map((files) => [...parentsOf(files, folders), ...files]),
  ];
}

function parentsOf(files: readonly PackageEntry[], folders: ReadonlyMap<string, PackageEntry>): Set<PackageEntry> {
  const found = new Set<PackageEntry>();
  for (const { path } of files) {
    for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
      const folder = folders.get(path.slice(0, slash));
      if (folder !== undefined) found.add(folder);
    }
  }
  return found;
}

/** `ccai-models`, `ccai-models-part2`, `ccai-models-part3` … */
export function partName(name: string, index: number): string {
  return index === 0 ? name : `${name}-part${index + 1}`;
}
