import { dpkgPackages, type ListedPackage } from './dpkg.ts';
import { withParents } from './package-lists.ts';
import { pythonPackages } from './python.ts';

/** A package that files belong to. */
export interface PackageName {
  kind: ListedPackage['kind'];
  name: string;
  version: string | undefined;
}

/** `null`: several packages have it, as the folders that they share. */
type Owner = PackageName | null;

const merged = /^(?:bin|sbin|lib|lib32|lib64|libx32)\//;
const bytecode = /^(.*\/)?__pycache__\/([^/]+?)\.[^/.]+(?:\.opt-[0-9])?\.pyc$/;

/**
 * Which package each of `paths` belongs to, undefined for none. dpkg's word counts before that of Python's installers.
 * Compiled Python is its source's, where no list has it. /lib and /usr/lib count as one, as does what else Debian has
 * merged: lists name one, trees have the other. Memory: of the lists, what is in `paths`.
 */
export function ownersOf(
  lists: ReadonlyMap<string, Buffer>,
  paths: Iterable<string>,
): (path: string) => PackageName | undefined {
  const wanted = new Set<string>();
  for (const path of paths) for (const each of namesOf(path)) wanted.add(each);
  const byDpkg = claimed(dpkgPackages(lists), wanted);
  const byPython = claimed(pythonPackages(lists), wanted);
  return (path) => {
    for (const name of namesOf(path)) {
      const owner = byDpkg.files.get(name) ?? byPython.files.get(name);
      if (owner) return owner;
    }
    if (byDpkg.files.get(oneName(path)) === null || byPython.folders.size === 0) return undefined;
    for (const folder of withParents(oneName(path)).toReversed()) {
      const owner = byPython.folders.get(folder);
      if (owner !== undefined) return owner ?? undefined;
    }
    return undefined;
  };
}

function claimed(packages: Iterable<ListedPackage>, wanted: ReadonlySet<string>) {
  const files = new Map<string, Owner>();
  const folders = new Map<string, Owner>();
  for (const { kind, name, version, files: listed, folders: whole = [] } of packages) {
    const owner = { kind, name, version };
    const claim = (map: Map<string, Owner>, path: string) => {
      const known = map.get(path);
      if (known !== owner) map.set(path, known === undefined ? owner : null);
    };
    for (const path of listed) {
      const one = oneName(path);
      if (wanted.has(one)) claim(files, one);
    }
    for (const folder of whole) claim(folders, oneName(folder));
  }
  return { files, folders };
}

function oneName(path: string): string {
  return merged.test(path) ? `usr/${path}` : path;
}

/** The path itself, then its source where it is compiled. */
function namesOf(path: string): string[] {
  const one = oneName(path);
  const [, folder = '', name] = bytecode.exec(one) ?? [];
  return name === undefined ? [one] : [one, `${folder}${name}.py`];
}
